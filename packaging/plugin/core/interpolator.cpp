#include "interpolator.hpp"

#include <algorithm>
#include <cmath>

#include "framing.hpp"
#include "sine.hpp"

namespace declipper {
namespace {

using namespace interpolation;
// Zeros that follow what a kernel is asked for, so that it works on whole vectors.
constexpr int SLACK = 16;

int rounded_up(int count, int step) { return (count + step - 1) / step * step; }

// From the start of one column of the band matrix to the next.
int pitch(int bandwidth) { return rounded_up(bandwidth + 1, STRIP) + STRIP; }

}  // namespace

Interpolator::Interpolator(const Kernels& kernels, int frames, double sample_rate) : x(frames), kernels_(kernels), taper_(frames) {
    for (int i = 0; i < ROUNDS; ++i) orders_[i] = at_rate(ORDERS[i], sample_rate);
    for (int t = 0; t < frames; ++t) taper_[t] = sine((t + 0.5) / frames);
    const int most = orders_[ROUNDS - 1];
    unknown.reserve(frames);
    until_.resize(frames + most);
    from_.resize(frames);
    tapered_.resize(frames + most + SLACK);
    known_.resize(frames + 2 * most + SLACK);
    correlation_.resize(most + 1);
    reversed_.resize(most + 1);
    filter_.resize(2 * most + 2 * SLACK);
    swap_.resize(most + 1);
    couplings_.resize(2 * most + 1 + SLACK);
    right_.resize(frames + most + SLACK);
    // n unknowns of bandwidth b, with n b^2 <= MOST_WORK and n <= frames, need n pitch(b): most of all where n = frames
    beyond_.resize(static_cast<std::size_t>(most) * most);
    band_.resize(static_cast<std::size_t>(frames * (std::sqrt(MOST_WORK / frames) + 2 * STRIP)));
}

void Interpolator::schedule(Schedule& schedule, int first, int last) {
    const int count = static_cast<int>(unknown.size());
    if (count == 0 || count == static_cast<int>(x.size())) return;
    tally();
    schedule.add<&Interpolator::start>(*this, 0, 1, 1);
    // costs are about right, in multiplications; they decide how evenly the work is spread, and nothing else
    for (int i = first; i < last; ++i) {
        rounds_[i] = affordable(orders_[i]);
        const double order = rounds_[i].order, bandwidth = rounds_[i].bandwidth, frames = static_cast<double>(x.size());
        schedule.add<&Interpolator::begin>(*this, i, i + 1, 30 * frames);
        schedule.add<&Interpolator::correlate>(*this, 0, rounds_[i].order + 1, 2.6 * frames);
        schedule.add<&Interpolator::predict>(*this, 0, 1, 40 * order * order + 4000);
        schedule.add<&Interpolator::overhang>(*this, 0, rounds_[i].order, 4 * order + 20);
        schedule.add<&Interpolator::couple>(*this, 0, count, 8 * order + 25 * bandwidth + 300);
        schedule.add<&Interpolator::factor>(*this, 0, count, 0.85 * (bandwidth + STRIP) * (bandwidth + STRIP));
        schedule.add<&Interpolator::forward>(*this, 0, count, 6 * bandwidth + 180);
        schedule.add<&Interpolator::backward>(*this, 0, count, 7 * bandwidth + 350);
    }
}

// Count the unknowns at and before each frame.
void Interpolator::tally() {
    const int frames = static_cast<int>(x.size()), all = static_cast<int>(unknown.size());
    std::fill(from_.begin(), from_.end(), frames);
    int before = 0;
    for (int i = 0; i < all; ++i) {
        std::fill(until_.begin() + before, until_.begin() + unknown[i], i);
        before = unknown[i];
        from_[before] = i + 1;
    }
    std::fill(until_.begin() + before, until_.end(), all);
}

// The highest order, halved from the one wanted, for which a round's count * bandwidth^2 multiplications are few enough.
// bandwidth: how many unknowns follow one within the order at most, those that it shares an equation with.
Interpolator::Round Interpolator::affordable(int order) const {
    for (;; order /= 2) {
        int bandwidth = 0;
        for (std::size_t t = 0; t < x.size(); ++t) bandwidth = std::max(bandwidth, until_[t + order] - from_[t]);
        if (static_cast<double>(unknown.size()) * bandwidth * bandwidth <= MOST_WORK) return {order, bandwidth};
    }
}

// Weight the window for its autocorrelation, and set its unknowns to 0 for the equations.
void Interpolator::begin(int round, int) {
    order_ = rounds_[round].order;
    bandwidth_ = rounds_[round].bandwidth;
    pitch_ = pitch(bandwidth_);
    for (std::size_t t = 0; t < x.size(); ++t) tapered_[t] = x[t] * taper_[t];
    double* known = known_.data() + orders_[ROUNDS - 1];
    std::copy(x.begin(), x.end(), known);
    for (int u : unknown) known[u] = 0;
}

void Interpolator::correlate(int begin, int end) {
    if (!failed_) kernels_.lags(tapered_.data(), static_cast<int>(x.size()), correlation_.data(), begin, end);
}

// The error filter 1, a_1 .. a_order of a process with these autocorrelations, by Levinson's recursion, and its own autocorrelation.
void Interpolator::predict(int, int) {
    failed_ = failed_ || !(correlation_[0] > 0);
    if (failed_) return;
    double error = correlation_[0] * (1 + NOISE_FLOOR);
    std::reverse_copy(correlation_.begin(), correlation_.begin() + order_ + 1, reversed_.begin());
    std::fill(filter_.begin(), filter_.end(), 0.0);
    filter_[0] = 1;
    for (int i = 0; i < order_; ++i) {
        const double reflection = -kernels_.dot(filter_.data(), reversed_.data() + order_ - i - 1, i + 1) / error;
        std::reverse_copy(filter_.begin(), filter_.begin() + i + 1, swap_.begin());
        for (int j = 0; j <= i; ++j) filter_[j + 1] += reflection * swap_[j];
        error *= 1 - reflection * reflection;
    }
    double* middle = couplings_.data() + order_;
    kernels_.lags(filter_.data(), rounded_up(order_ + 1, SLACK), middle, 0, order_ + 1);
    std::reverse_copy(middle + 1, middle + order_ + 1, couplings_.begin());
    std::fill(middle + order_ + 1, couplings_.data() + couplings_.size(), 0.0);
}

// What the prediction errors that reach beyond the first frame, forward and back, add to the equations of the frames near it, an order by
// an order of them. Counts from the last row: each is the next one, moved, and one error of either direction more.
void Interpolator::overhang(int begin, int end) {
    if (failed_) return;
    const double* a = filter_.data();
    for (int back = begin; back < end; ++back) {
        const int i = order_ - 1 - back;
        for (int j = i; j < order_; ++j) {
            const double after = j + 1 < order_ ? beyond(i + 1)[j + 1] : 0;
            beyond(i)[j] = beyond(j)[i] = after + 0.5 * (a[order_ - 1 - i] * a[order_ - 1 - j] + a[i + 1] * a[j + 1]);
        }
    }
}

// The equations sum_j b(u_i - u_j) x(u_j) = -(b * known)(u_i) of the unknowns u, with b the filter's autocorrelation, less what
// reaches beyond the window.
void Interpolator::couple(int begin, int end) {
    if (failed_) return;
    const double* known = known_.data() + orders_[ROUNDS - 1] - order_;
    const double* middle = couplings_.data() + order_;
    const double* first_known = known_.data() + orders_[ROUNDS - 1];
    const int count = static_cast<int>(unknown.size()), final_frame = static_cast<int>(x.size()) - 1;
    for (int i = begin; i < end; ++i) {
        const int at = unknown[i];
        right_[i] = -kernels_.dot(couplings_.data(), known + at, rounded_up(2 * order_ + 1, SLACK));
        double* column = band_.data() + static_cast<std::ptrdiff_t>(i) * pitch_;
        std::fill(column, column + pitch_, 0.0);
        const int last = std::min(bandwidth_, count - 1 - i);
        for (int k = 0; k <= last && unknown[i + k] - at <= order_; ++k) column[k] = middle[unknown[i + k] - at];
        if (at < order_) {
            const double* row = beyond(at);
            for (int j = 0; j < order_; ++j) right_[i] += row[j] * first_known[j];
            for (int k = 0; k <= last && unknown[i + k] < order_; ++k) column[k] -= row[unknown[i + k]];
        }
        if (final_frame - at < order_) {
            const double* row = beyond(final_frame - at);
            for (int j = 0; j < order_; ++j) right_[i] += row[j] * first_known[final_frame - j];
            for (int k = 0; k <= last; ++k) column[k] -= row[final_frame - unknown[i + k]];
        }
    }
}

void Interpolator::factor(int begin, int end) { failed_ = failed_ || !kernels_.factor(band_.data(), pitch_, bandwidth_, begin, end); }

// Solve the equations for the factor that `factor` leaves, first forward, then backward from the last unknown.
void Interpolator::forward(int begin, int end) {
    if (failed_) return;
    if (begin == 0) std::fill(right_.begin() + static_cast<std::ptrdiff_t>(unknown.size()), right_.end(), 0.0);
    for (int i = begin; i < end; ++i) {
        const double* column = band_.data() + static_cast<std::ptrdiff_t>(i) * pitch_;
        const double value = right_[i] *= column[0];
        for (int k = 1; k <= bandwidth_; ++k) right_[i + k] -= value * column[k];
    }
}

void Interpolator::backward(int begin, int end) {
    if (failed_) return;
    if (begin == 0) std::fill(right_.begin() + static_cast<std::ptrdiff_t>(unknown.size()), right_.end(), 0.0);
    const int length = rounded_up(bandwidth_, SLACK);
    for (int back = begin; back < end; ++back) {
        const int i = static_cast<int>(unknown.size()) - 1 - back;
        const double* column = band_.data() + static_cast<std::ptrdiff_t>(i) * pitch_;
        right_[i] = (right_[i] - kernels_.dot(column + 1, right_.data() + i + 1, length)) * column[0];
        x[unknown[i]] = right_[i];
    }
}

}  // namespace declipper
