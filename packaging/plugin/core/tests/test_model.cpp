// Broken and foreign model files are refused, and told apart.
#include <cmath>
#include <stdexcept>
#include <string>

#include "check.hpp"
#include "files.hpp"
#include "model.hpp"

namespace {

using Bytes = std::vector<unsigned char>;

std::string refusal(const Bytes& file) {
    try {
        const declipper::Model model(file.data(), file.size());
        return "";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

void expect(const Bytes& file, const std::string& words) {
    const std::string found = refusal(file);
    CHECK(!found.empty() && found.find(words) != std::string::npos, "refused with '%s', not '%s'", found.c_str(), words.c_str());
}

}  // namespace

int main() {
    const Bytes good = read_file<unsigned char>(MODEL_FILE);
    CHECK(refusal(good).empty(), "%s", refusal(good).c_str());
    CHECK(declipper::embedded_model() != nullptr, "the model in the binary is broken");

    expect({}, "not a flat model file");
    expect(Bytes(good.begin(), good.begin() + 10), "not a flat model file");
    for (const std::size_t size : {std::size_t{20}, std::size_t{40}, good.size() / 2, good.size() - 1})
        expect(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)), "checksum");
    for (const std::size_t at : {std::size_t{12}, std::size_t{30}, good.size() / 2, good.size() - 2}) {
        Bytes flipped = good;
        flipped[at] ^= 1;
        expect(flipped, "checksum");
    }
    Bytes foreign = good;
    foreign[0] = 'X';
    expect(foreign, "not a flat model file");
    Bytes later = good;
    later[8] = 2;
    expect(later, "version 2");

    CHECK(declipper::from_half(0x3C00) == 1.0f, "one");
    CHECK(declipper::from_half(0xC500) == -5.0f, "minus five");
    CHECK(declipper::from_half(0x0001) == std::ldexp(1.0f, -24), "the smallest");
    CHECK(declipper::from_half(0x83FF) == -std::ldexp(1023.0f, -24), "the largest denormal");
    CHECK(declipper::from_half(0x7BFF) == 65504.0f, "the largest");
    return failures != 0;
}
