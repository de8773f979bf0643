// Social sparsity on the newest samples of one channel, as declipper/methods/social_sparsity.py does it where what is clipped lies
// within one stretch.
#pragma once

#include <vector>

#include "real_fft.hpp"

namespace declipper {

// In the words of the Python module.
struct FallingThreshold {
    int iterations;
    double first, last;
    float momentum, step;
};

class SocialSparsity {
public:
    // window: frames of the long window, of which the short one is a quarter. most: frames of a signal at most, with those beyond its end.
    SocialSparsity(int window, int most);

    // The signal, restored in place. levels: for each frame 0 where it is reliable, else the level with its sign. beyond: frames after the
    // end that are unknown. Nothing is allocated.
    void restore(float* samples, const float* levels, int frames, int beyond, const FallingThreshold& threshold);

private:
    class Spectrum {
    public:
        Spectrum(int window, int longest, int most);
        void begin(const float* samples, int frames, const std::vector<int>& unknown, const std::vector<float>& levels);
        void shrink(const std::vector<float>& values, double amplitude, std::vector<float>& found);

    private:
        struct Place {
            int before, after;  // where a sample lies in `signals_`: in the second half of one frame, in the first half of the next
            float falling, rising;
        };

        void power_of(int slot, int row);
        int at(int slot, int place) const { return (slot / LANES * window_ + place) * LANES + slot % LANES; }

        int window_, hop_, offset_;
        double fade_sum_ = 0;
        RealFft fft_;
        std::vector<float> fade_, padded_, share_;
        std::vector<int> moving_, rows_, row_of_, slot_of_;
        std::vector<float> scale_, power_;
        std::vector<Place> places_;
        std::vector<Lanes> signals_, work_, gain_;
        std::vector<Complex> spectra_;
    };

    int window_;
    Spectrum long_, short_;
    std::vector<int> unknown_;
    std::vector<float> bounds_, now_, before_, ahead_, moved_, extended_;
};

}  // namespace declipper
