// The U-Net on one window: the same as training/model/network.py, without the outputs that nobody uses.
#pragma once

#include <memory>
#include <vector>

#include "kernels.hpp"
#include "model.hpp"
#include "schedule.hpp"

namespace declipper {

class Network {
public:
    // Of the output, frames begin..end of each window of `frames` are wanted.
    Network(const Model&, const Kernels&, int frames, int begin, int end);

    // (frames, inputs), to be filled in before the work begins.
    float* input() { return input_.at(0); }

    // Add the work on what is in `input` by then.
    void schedule(Schedule&);

    // The maps at one of the wanted frames.
    const float* output(int frame) const { return maps_->at(frame); }

private:
    // (frames, channels) floats with zeros before and after them.
    class Signal {
    public:
        Signal(int frames, int channels);
        float* at(int frame) { return data_.data() + static_cast<std::ptrdiff_t>(frame + margin_) * channels; }
        const float* at(int frame) const { return const_cast<Signal*>(this)->at(frame); }
        int frames, channels;

    private:
        static constexpr int margin_ = 8;  // no layer looks further beyond the ends
        std::vector<float> data_;
    };
    // Rows begin..end of a layer.
    struct Range {
        int begin, end;
    };
    // One layer's work: a product, or without weights a leaky ReLU.
    struct Step {
        void run(int begin, int end);
        double cost() const;
        const Kernels* kernels;
        Product product;
        Range rows;
    };

    static Range grown(Range, int reach, int frames);
    static Range read_by_transposed(Range, int stride, int frames);
    Signal& signal(int frames, int channels);
    template <class Place>
    const float* packed(int taps, int depth, int width, Place);
    void convolve(const Signal& in, int taps, int dilation, int stride, Signal& out, Range, Finish);
    void merge(const Signal& up, const Signal& skip, Signal& out, Range);
    void transpose(const Signal& in, int stride, int above, Signal& out, Range wanted);
    void rectify(const Signal& in, Signal& out, Range);
    void residuals(Signal&, int blocks, Range wanted);

    const Kernels& kernels_;
    Signal input_;
    const float* weights_;  // of the layer to be built next
    std::vector<std::unique_ptr<Signal>> signals_;
    std::vector<std::vector<float>> packed_;
    std::vector<Step> steps_;
    Signal* maps_ = nullptr;
};

}  // namespace declipper
