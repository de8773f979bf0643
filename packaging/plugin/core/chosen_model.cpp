#include "chosen_model.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace declipper {
namespace {

namespace fs = std::filesystem;

fs::path below(const fs::path::value_type* folder, const char* rest) {
    return folder != nullptr && *folder ? fs::path(folder) / rest : fs::path();
}

// A regular file, since a pipe or a device might never end.
std::vector<char> bytes_of(const fs::path& path) {
    std::error_code error;
    std::ifstream file;
    if (fs::is_regular_file(path, error)) file.open(path, std::ios::binary);
    if (!file.is_open()) throw ModelError(ModelChoice::unreadable, "model file cannot be read");
    const std::uintmax_t size = fs::file_size(path, error);
    if (error || size > own_model::LARGEST) throw ModelError(ModelChoice::shape, "model file is larger than any of ours");
    std::vector<char> bytes(static_cast<std::size_t>(size));
    if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) throw ModelError(ModelChoice::unreadable, "model file cannot be read");
    return bytes;
}

}  // namespace

fs::path ChosenModel::place() {
#if defined(_WIN32)
    return below(_wgetenv(L"APPDATA"), own_model::PLACE_WIN32);
#elif defined(__APPLE__)
    return below(std::getenv("HOME"), own_model::PLACE_DARWIN);
#else
    return below(std::getenv("HOME"), own_model::PLACE_LINUX);
#endif
}

ChosenModel::ChosenModel(const fs::path& file) {
    std::error_code error;
    if (file.empty() || fs::symlink_status(file, error).type() == fs::file_type::not_found) return;
    try {
        const std::vector<char> bytes = bytes_of(file);
        own_ = std::make_unique<const Model>(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
        choice_ = ModelChoice::own;
    } catch (const ModelError& refused) {
        choice_ = refused.why;
    } catch (const std::exception&) {  // no memory, or a disk that fails: none may reach a host written in C
        choice_ = ModelChoice::unreadable;
    }
}

}  // namespace declipper
