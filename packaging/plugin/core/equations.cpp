#include "equations.hpp"

#include <algorithm>
#include <cmath>

#include "random_signs.hpp"

namespace declipper {
namespace {

// Zeros that follow what a kernel is asked for, so that it works on whole vectors.
constexpr int SLACK = 16;
// Solutions for one signal, at most.
constexpr int MOST_ROUNDS = 16;

int rounded_up(int count, int step) { return (count + step - 1) / step * step; }

// From the start of one column of the band matrix to the next.
int pitch(int width) { return rounded_up(width + 1, STRIP) + STRIP; }

}  // namespace

Equations::Equations(const Kernels& kernels, const Correlation& correlation, int order, int most, double most_work)
    : filter(order + 1),
      precision(most),
      pull(most),
      kernels_(kernels),
      correlation_(correlation),
      signs_(random_signs(static_cast<std::size_t>(most) * SIDES)),
      // n unknowns of width b, with n b^2 <= most_work and n <= most, need n pitch(b): most of all where n = most
      band_(static_cast<std::size_t>(most * (std::sqrt(most_work / most) + 2 * STRIP))),
      right_(most + order + SLACK),
      drawn_(static_cast<std::size_t>(most + order + 1) * SIDES),
      turned_(order + 1),
      over_(order),
      over_back_(order),
      shared_(order) {
    bands_.reserve(MOST_ROUNDS);
}

void Equations::begin(const std::vector<int>& unknown, int frames, const double* end, double scale) {
    unknown_ = &unknown;
    frames_ = frames;
    end_ = end;
    scale_ = scale;
    bands_.clear();
    failed_ = false;
}

void Equations::schedule(Schedule& schedule, Band band) {
    const double order = band.order, width = band.width;
    const int round = static_cast<int>(bands_.size());
    bands_.push_back(band);
    // costs are about right, in multiplications; they decide how evenly the work is spread, and nothing else
    schedule.add<&Equations::set_band>(*this, round, round + 1, 10 * order + 1000);
    schedule.add<&Equations::couple>(*this, 0, count(), 5 * width + 100);
    if (from_end(count() - 1) < band.order) {
        schedule.add<&Equations::run_over>(*this, 0, band.order, 2 * order + 100);
        schedule.add<&Equations::take_off>(*this, 0, band.order, 3 * order + 100);
    }
    schedule.add<&Equations::factor>(*this, 0, count(), 0.5 * (width + STRIP) * (width + STRIP));
    schedule.add<&Equations::forward>(*this, 0, count(), 2 * width + 50);
    schedule.add<&Equations::backward>(*this, 0, count(), 2 * width + 90);
    schedule.add<&Equations::draw>(*this, 0, count(), 1.2 * SIDES * width + 50);
}

void Equations::set_band(int round, int) {
    size_ = bands_[round];
    pitch_ = pitch(size_.width);
    if (failed_) return;
    std::reverse_copy(filter.begin(), filter.begin() + size_.order + 1, turned_.begin());
    std::fill(shared_.begin(), shared_.end(), 0.0);
    std::fill(right_.begin() + count(), right_.end(), 0.0);
}

// sum_j b(u_i - u_j) x(u_j) = -(b * known)(u_i) for the unknowns u, with b the filter's autocorrelation, and what else is known of them.
void Equations::couple(int begin, int end) {
    if (failed_) return;
    const std::vector<int>& unknown = *unknown_;
    for (int i = begin; i < end; ++i) {
        right_[i] = pull[i] - correlation_.filtered(unknown[i]) * scale_;
        double* to = column(i);
        const int last = std::min(size_.width, count() - 1 - i);
        int k = 0;
        for (; k <= last && unknown[i + k] - unknown[i] <= size_.order; ++k)
            to[k] = correlation_.coupling(unknown[i + k] - unknown[i]);
        std::fill(to + k, to + pitch_, 0.0);
        to[0] += precision[i];
    }
}

// The errors, forward and back, of predicting the known samples so many frames beyond the end.
void Equations::run_over(int begin, int end) {
    if (failed_) return;
    for (int j = begin; j < end; ++j) {
        over_[j] = kernels_.dot(filter.data(), end_ - j, j + 1);
        over_back_[j] = kernels_.dot(turned_.data(), end_ - j, j + 1);
    }
}

// Nothing is assumed of what is beyond the end: these errors are taken out of the equations again. From the frame that is nearly an order
// away from the end to the last one, each adds one error of either direction to what is shared.
void Equations::take_off(int begin, int end) {
    if (failed_) return;
    const int order = size_.order;
    for (int m = begin; m < end; ++m) {
        const double forth = filter[m], back = turned_[m];
        const double *turned = turned_.data() + order - m, *straight = filter.data() + order - m;
        for (int d = 0; d <= m; ++d) shared_[d] += forth * turned[d] + back * straight[d];
        const int frame = order - 1 - m;  // counted from the last
        const auto found = std::lower_bound(unknown_->begin(), unknown_->end(), frames_ - 1 - frame);
        if (found == unknown_->end() || *found != frames_ - 1 - frame) continue;
        const int i = static_cast<int>(found - unknown_->begin());
        for (int j = i; j >= 0 && from_end(j) < order; --j) column(j)[i - j] -= 0.5 * shared_[from_end(j) - frame];
        right_[i] += 0.5 * scale_ * kernels_.dot(filter.data(), over_.data() + frame, m + 1);
        right_[i] += 0.5 * scale_ * kernels_.dot(turned_.data(), over_back_.data() + frame, m + 1);
    }
}

void Equations::factor(int begin, int end) { failed_ = failed_ || !kernels_.factor(band_.data(), pitch_, size_.width, begin, end); }

// Solve the equations for the factor that `factor` leaves, first forward, then backward from the last unknown.
void Equations::forward(int begin, int end) {
    if (failed_) return;
    for (int i = begin; i < end; ++i) {
        const double* from = column(i);
        const double value = right_[i] *= from[0];
        for (int k = 1; k <= size_.width; ++k) right_[i + k] -= value * from[k];
    }
}

void Equations::backward(int begin, int end) {
    if (failed_) return;
    if (begin == 0) std::fill(right_.begin() + count(), right_.end(), 0.0);
    const int length = rounded_up(size_.width, SLACK);
    for (int back = begin; back < end; ++back) {
        const int i = count() - 1 - back;
        right_[i] = (right_[i] - kernels_.dot(column(i) + 1, right_.data() + i + 1, length)) * column(i)[0];
    }
}

// With L L^T the equations, L^-T z is drawn from the distribution that they leave.
void Equations::draw(int begin, int end) {
    if (failed_) return;
    const int first = count() - end, last = count() - begin;
    if (begin == 0) std::fill_n(drawn_.begin() + static_cast<std::ptrdiff_t>(count()) * SIDES, (size_.width + 1) * SIDES, 0.0);
    std::copy(signs_.begin() + static_cast<std::ptrdiff_t>(first) * SIDES, signs_.begin() + static_cast<std::ptrdiff_t>(last) * SIDES,
              drawn_.begin() + static_cast<std::ptrdiff_t>(first) * SIDES);
    kernels_.solve(band_.data(), pitch_, size_.width, drawn_.data(), first, last);
}

}  // namespace declipper
