// Broken and foreign model files are refused, and told apart; one of the user's own is taken where it is sound.
#include <cmath>
#include <stdexcept>
#include <string>

#include "check.hpp"
#include "chosen_model.hpp"
#include "files.hpp"
#include "flat_files.hpp"

namespace {

namespace fs = std::filesystem;
using declipper::ModelChoice;

constexpr int AFTER_VERSION = 12, AFTER_ESTIMATES = 20, FIRST_LEVEL = 48;

struct Refusal {
    ModelChoice why;
    std::string words;
};

Refusal refusal(const Bytes& file) {
    try {
        const declipper::Model model(file.data(), file.size());
        return {ModelChoice::own, ""};
    } catch (const declipper::ModelError& error) {
        return {error.why, error.what()};
    }
}

void expect(const Bytes& file, ModelChoice why, const std::string& words) {
    const Refusal found = refusal(file);
    CHECK(found.why == why && found.words.find(words) != std::string::npos, "refused as %d with '%s', not '%s'", static_cast<int>(found.why),
          found.words.c_str(), words.c_str());
}

// The sound file with some bits of one byte changed, and the checksum that belongs to that.
Bytes changed(std::size_t at, unsigned char bits) {
    Bytes file = open_file(usual_levels);
    file[at] ^= bits;
    return sealed(file);
}

void broken_files_are_refused() {
    const Bytes good = read_file<unsigned char>(MODEL_FILE);
    CHECK(refusal(good).why == ModelChoice::own, "%s", refusal(good).words.c_str());
    CHECK(declipper::embedded_model() != nullptr, "the model in the binary is broken");

    expect({}, ModelChoice::foreign, "not a flat model file");
    expect(Bytes(good.begin(), good.begin() + 10), ModelChoice::foreign, "not a flat model file");
    for (const std::size_t size : {std::size_t{20}, std::size_t{40}, good.size() / 2, good.size() - 1})
        expect(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)), ModelChoice::damaged, "checksum");
    for (const std::size_t at : {std::size_t{12}, std::size_t{30}, good.size() / 2, good.size() - 2}) {
        Bytes flipped = good;
        flipped[at] ^= 1;
        expect(flipped, ModelChoice::damaged, "checksum");
    }
    Bytes foreign = good;
    foreign[0] = 'X';
    expect(foreign, ModelChoice::foreign, "not a flat model file");
    Bytes later = good;
    later[8] = declipper::flat::VERSION + 1;
    expect(later, ModelChoice::version, "version");
}

void files_that_the_core_cannot_run_are_refused() {
    CHECK(refusal(sealed(open_file(usual_levels))).why == ModelChoice::own, "%s", refusal(sealed(open_file(usual_levels))).words.c_str());
    CHECK(refusal(sealed(open_file(largest_levels))).why == ModelChoice::own, "%s", refusal(sealed(open_file(largest_levels))).words.c_str());
    expect(changed(AFTER_VERSION, 1), ModelChoice::estimates, "other estimates");
    expect(changed(AFTER_ESTIMATES, 1), ModelChoice::shape, "doubt");
    for (const Levels& levels : {Levels{{24, 8, 1}}, Levels{{32, 6, 1}}, Levels{{32, 8, 1}, {64, 8, 1}, {128, 4, 1}}, Levels{{2048, 4, 0}}})
        expect(sealed(open_file(levels)), ModelChoice::shape, "model file has");
    expect(sealed(open_file({{128, 4, 8}})), ModelChoice::shape, "too long");
    expect(changed(FIRST_LEVEL + 8, 1), ModelChoice::shape, "another number of weights");
    Bytes longer = open_file(usual_levels);
    longer.resize(longer.size() + 2);
    expect(sealed(longer), ModelChoice::shape, "another number of weights");
    expect(sealed(open_file({})), ModelChoice::shape, "levels");
    for (const unsigned char high : {0x7C, 0x7E, 0xFF}) {  // infinity, NaN, and a NaN of the other sign
        Bytes file = open_file(usual_levels);
        file.back() = high;
        expect(sealed(file), ModelChoice::not_finite, "finite");
    }
}

void the_users_own_is_taken_where_it_is_sound() {
    const fs::path folder = fs::temp_directory_path() / ("declipper-" + std::to_string(std::random_device()()));
    fs::create_directory(folder);
    const fs::path place = folder / "plugin.model";
    const auto found = [&](const Bytes& file) {
        write_file(place.string(), file);
        return declipper::ChosenModel(place);
    };
    const auto is_shipped = [](const declipper::ChosenModel& chosen) { return chosen.model() == declipper::embedded_model(); };

    const Bytes good = sealed(open_file(usual_levels));
    {
        const declipper::ChosenModel missing(place), nowhere{fs::path()};
        CHECK(missing.choice() == ModelChoice::shipped && is_shipped(missing), "a missing file is chosen as %d", static_cast<int>(missing.choice()));
        CHECK(nowhere.choice() == ModelChoice::shipped && is_shipped(nowhere), "no place is chosen as %d", static_cast<int>(nowhere.choice()));
        const declipper::ChosenModel own = found(good);
        CHECK(own.choice() == ModelChoice::own && !is_shipped(own) && !own.model()->plain_mean(), "a sound file is chosen as %d",
              static_cast<int>(own.choice()));
    }
    const Bytes truncated(good.begin(), good.end() - 1000), foreign(2000, 'x');
    Bytes with_a_nan = open_file(usual_levels);
    with_a_nan.back() = 0x7E;
    with_a_nan = sealed(with_a_nan);
    const std::pair<Bytes, ModelChoice> broken[] = {{truncated, ModelChoice::damaged},
                                                    {foreign, ModelChoice::foreign},
                                                    {{}, ModelChoice::foreign},
                                                    {changed(8, 64), ModelChoice::version},
                                                    {with_a_nan, ModelChoice::not_finite}};
    for (const auto& [file, why] : broken) {
        const declipper::ChosenModel chosen = found(file);
        CHECK(chosen.choice() == why && is_shipped(chosen), "chosen as %d, not %d", static_cast<int>(chosen.choice()), static_cast<int>(why));
    }
    const declipper::ChosenModel of_a_folder(folder);
    CHECK(of_a_folder.choice() == ModelChoice::unreadable && is_shipped(of_a_folder), "a folder is chosen as %d", static_cast<int>(of_a_folder.choice()));
    fs::resize_file(place, std::uintmax_t{declipper::own_model::LARGEST} + 1);
    const declipper::ChosenModel huge(place);
    CHECK(huge.choice() == ModelChoice::shape && is_shipped(huge), "a huge file is chosen as %d", static_cast<int>(huge.choice()));
    fs::remove_all(folder);
}

}  // namespace

int main() {
    broken_files_are_refused();
    files_that_the_core_cannot_run_are_refused();
    the_users_own_is_taken_where_it_is_sound();

    CHECK(declipper::from_half(0x3C00) == 1.0f, "one");
    CHECK(declipper::from_half(0xC500) == -5.0f, "minus five");
    CHECK(declipper::from_half(0x0001) == std::ldexp(1.0f, -24), "the smallest");
    CHECK(declipper::from_half(0x83FF) == -std::ldexp(1023.0f, -24), "the largest denormal");
    CHECK(declipper::from_half(0x7BFF) == 65504.0f, "the largest");
    return failures != 0;
}
