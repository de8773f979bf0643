// The autocorrelation of a window of which only the end changes, and the convolutions that the equations of its unknown samples need, by
// Fourier transforms that are no longer than that end and twice the highest lag.
#pragma once

#include <vector>

#include "fourier.hpp"
#include "schedule.hpp"

namespace declipper {

class Correlation {
public:
    // order: the highest lag. most: frames that change, at most.
    Correlation(const Kernels&, int order, int most);

    // The window, weighted, of which the last `newest` frames change; the others are read while the work is done. known: the last `newest`
    // frames and `order` before them, with 0 for unknown samples, over some level.
    void begin(const double* window, int frames, int newest, const double* known);
    void schedule_past(Schedule&);

    // Of the window as its end is by then, and of a second signal of `newest` frames, both autocorrelations together: lags().
    void schedule_lags(Schedule&, const double* second);
    double lag(int i) const { return result_.re[i] * scale_; }

    // With b the autocorrelation of a filter of `taps`: b at each lag, and b * known at each of the `newest` frames.
    void schedule_filter(Schedule&, const double* filter);
    void set_taps(int taps) { taps_ = taps; }
    double coupling(int lag) const { return result_.im[lag] * scale_; }
    double filtered(int frame) const { return result_.re[order_ + frame] * scale_; }

private:
    void past(int begin, int end);
    void load_past(int piece);
    void load_ends(int, int);
    void load_filter(int, int);
    template <auto Load, auto Apply>
    void schedule_filtering(Schedule&);
    void forward(int begin, int end) { fourier_.forward(signal_, spectrum_, begin, end); }
    void backward(int begin, int end) { fourier_.backward(spectrum_, result_, begin, end); }
    void add_powers(int, int);
    void respond(int, int);
    int pieces() const;

    const int order_;
    Fourier<double> fourier_;
    const double scale_;
    ComplexSignal<double> signal_, spectrum_, result_, known_;
    std::vector<double> powers_;  // of the past
    const double *window_ = nullptr, *second_ = nullptr, *filter_ = nullptr, *known_frames_ = nullptr;
    int frames_ = 0, newest_ = 0, taps_ = 0;
};

}  // namespace declipper
