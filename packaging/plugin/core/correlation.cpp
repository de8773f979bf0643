#include "correlation.hpp"

#include <algorithm>

namespace declipper {
namespace {

int power_of_two(int least) {
    int size = 1;
    while (size < least) size *= 2;
    return size;
}

}  // namespace

Correlation::Correlation(const Kernels& kernels, int order, int most)
    : order_(order),
      fourier_(kernels, power_of_two(most + 2 * order)),
      scale_(1.0 / fourier_.size()),
      signal_(fourier_.size()),
      spectrum_(fourier_.size()),
      result_(fourier_.size()),
      known_(fourier_.size()),
      powers_(fourier_.size()) {}

void Correlation::begin(const double* window, int frames, int newest, const double* known) {
    window_ = window;
    frames_ = frames;
    newest_ = newest;
    known_frames_ = known;
}

// The past is cut into pieces that fit, and what follows them is the end that changes.
int Correlation::pieces() const {
    const int most = fourier_.size() - 2 * order_;
    return (frames_ - newest_ + most - 1) / most;
}

void Correlation::schedule_past(Schedule& schedule) {
    schedule.add<&Correlation::past>(*this, 0, (pieces() + 2) * (fourier_.passes() + 2), fourier_.cost());
}

// For each piece, and last for the known samples: loading, the transform, and what is made of it.
void Correlation::past(int begin, int end) {
    const int steps = fourier_.passes() + 2;
    for (int step = begin; step < end; ++step) {
        const int piece = step / steps, pass = step % steps - 1;
        const bool known = piece > pieces();
        ComplexSignal<double>& spectrum = known ? known_ : spectrum_;
        if (pass < 0) load_past(piece);
        else if (pass < fourier_.passes()) fourier_.forward(signal_, spectrum, pass, pass + 1);
        else if (!known) {
            // Re Z(k) Z(-k) = |A|^2 - |B|^2 for Z = A + i B, with A, B the spectra of real signals
            const int size = fourier_.size();
            for (int k = 0; k < size; ++k) {
                const int back = k ? size - k : 0;
                const double more = spectrum_.re[k] * spectrum_.re[back] - spectrum_.im[k] * spectrum_.im[back];
                powers_[k] = piece ? powers_[k] + more : more;
            }
        }
    }
}

// A piece as the real part, with as many frames before it as there are lags; those as the imaginary part, to be taken off. The last piece
// but one is none: of the end that changes, only those before it are known already.
void Correlation::load_past(int piece) {
    std::fill(signal_.re.begin(), signal_.re.end(), 0.0);
    std::fill(signal_.im.begin(), signal_.im.end(), 0.0);
    if (piece > pieces()) {
        std::copy_n(known_frames_, order_ + newest_, signal_.re.begin());
        return;
    }
    const int most = fourier_.size() - 2 * order_, past = frames_ - newest_;
    const int first = piece < pieces() ? piece * most : past, last = std::min(first + most, past), before = std::min(order_, first);
    std::copy(window_ + first - before, window_ + first, signal_.im.begin());
    if (piece < pieces()) std::copy(window_ + first - before, window_ + last, signal_.re.begin());
}

// A signal is loaded and transformed, something is done to its spectrum, and that is transformed back.
template <auto Load, auto Apply>
void Correlation::schedule_filtering(Schedule& schedule) {
    schedule.add<Load>(*this, 0, 1, fourier_.cost());
    schedule.add<&Correlation::forward>(*this, 0, fourier_.passes(), fourier_.cost());
    schedule.add<Apply>(*this, 0, 1, fourier_.cost());
    schedule.add<&Correlation::backward>(*this, 0, fourier_.passes(), fourier_.cost());
}

void Correlation::schedule_lags(Schedule& schedule, const double* second) {
    second_ = second;
    schedule_filtering<&Correlation::load_ends, &Correlation::add_powers>(schedule);
}

void Correlation::load_ends(int, int) {
    const double* from = window_ + frames_ - newest_ - order_;
    std::fill(std::copy_n(from, order_ + newest_, signal_.re.begin()), signal_.re.end(), 0.0);
    std::fill(std::copy_n(second_, newest_, signal_.im.begin()), signal_.im.end(), 0.0);
}

// What is odd in |Z|^2 comes out as the imaginary part, and is none of the autocorrelation.
void Correlation::add_powers(int, int) {
    for (int k = 0; k < fourier_.size(); ++k) {
        spectrum_.re[k] = spectrum_.re[k] * spectrum_.re[k] + spectrum_.im[k] * spectrum_.im[k] + powers_[k];
        spectrum_.im[k] = 0;
    }
}

void Correlation::schedule_filter(Schedule& schedule, const double* filter) {
    filter_ = filter;
    schedule_filtering<&Correlation::load_filter, &Correlation::respond>(schedule);
}

void Correlation::load_filter(int, int) {
    std::fill(std::copy_n(filter_, taps_, signal_.re.begin()), signal_.re.end(), 0.0);
    std::fill(signal_.im.begin(), signal_.im.end(), 0.0);
}

// The filter's power times the known samples, and i times that power.
void Correlation::respond(int, int) {
    for (int k = 0; k < fourier_.size(); ++k) {
        const double power = spectrum_.re[k] * spectrum_.re[k] + spectrum_.im[k] * spectrum_.im[k];
        spectrum_.re[k] = power * known_.re[k];
        spectrum_.im[k] = power * known_.im[k] + power;
    }
}

}  // namespace declipper
