// The model that an instance of the plugin runs.
#pragma once

#include <filesystem>
#include <memory>

#include "model.hpp"

namespace declipper {

class ChosenModel {
public:
    // The user's own, where there is one that the core can run, else the one that was built in. It reads a file: not for the audio thread.
    ChosenModel() : ChosenModel(place()) {}
    // With the user's own in another place.
    explicit ChosenModel(const std::filesystem::path& file);

    // Where `declipper plugin model` puts the user's own (declipper/plugins/own_model.py), empty where there is no user.
    static std::filesystem::path place();

    // Null where even the one that was built in is broken.
    const Model* model() const { return own_ ? own_.get() : embedded_model(); }
    ModelChoice choice() const { return choice_; }

private:
    std::unique_ptr<const Model> own_;
    ModelChoice choice_ = ModelChoice::shipped;
};

}  // namespace declipper
