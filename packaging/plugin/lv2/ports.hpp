// The numbers of the LV2 ports, for the plugin and for its description.
#pragma once

#include "../parameters.hpp"

namespace declipper {

constexpr const char* uris[] = {"urn:declipper:mono", "urn:declipper:stereo"};
constexpr int Latency = ParameterCount, ControlCount = Latency + 1;

}  // namespace declipper
