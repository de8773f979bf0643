#include "interpolator.hpp"

#include <algorithm>
#include <cmath>

#include "framing.hpp"
#include "sine.hpp"

namespace declipper {
namespace {

using namespace interpolation;

std::vector<int> at_rate(std::vector<int> orders, double sample_rate) {
    for (int& order : orders) order = declipper::at_rate(order, sample_rate);
    return orders;
}

// As numpy.median, of values that it puts into another order.
double median(double* begin, double* end) {
    double* middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end);
    return (end - begin) % 2 ? *middle : (*middle + *std::max_element(begin, middle)) / 2;
}

}  // namespace

Interpolator::Interpolator(const Kernels& kernels, const ARModel& model, double sample_rate, const Newest& newest)
    : kernels_(kernels),
      newest_(newest),
      window_(declipper::at_rate(model.window, sample_rate)),
      least_new_(declipper::at_rate(recipe::LEAST_NEW, sample_rate)),
      most_work_(model.most_work),
      orders_(at_rate(model.orders, sample_rate)),
      correlation_(kernels, orders_.back(), static_cast<int>(newest.levels.size())),
      equations_(kernels, correlation_, orders_.back(), static_cast<int>(newest.levels.size()), most_work_) {
    const int fall = std::min(declipper::at_rate(FALL, sample_rate), window_ / 2), rise = window_ - fall;
    for (int t = 0; t < window_; ++t) {
        taper_.push_back(sine(t < rise ? (t + 0.5) / (2 * rise) : (fall + t - rise + 0.5) / (2 * fall)));
        weight_ += taper_[t] * taper_[t];
    }
    const std::size_t most = newest.levels.size();
    weighted_.resize(window_);
    known_.resize(orders_.back() + most);
    correlations_.resize(orders_.back() + 1);
    reversed_.resize(orders_.back() + 1);
    swap_.resize(orders_.back() + 1);
    for (auto* list : {&drawn_, &x_, &found_, &variances_, &scatter_, &sides_, &levels_}) list->resize(most);
    cavities_.resize(most);
    sites_.resize(most);
}

void Interpolator::schedule(Schedule& schedule, const double* start) {
    constexpr double PER_UNKNOWN = 600;  // what looking at a level costs, in multiplications
    start_ = start;
    too_high_ = window_;
    correlation_.begin(weighted_.data(), window_, newest(), known_.data());
    equations_.begin(newest_.unknown, newest(), known_.data() + orders_.back() + newest() - 1, newest_.scale);
    schedule.add<&Interpolator::begin>(*this, 0, window_, 20);
    schedule.add<&Interpolator::judge>(*this, 0, 1, 80.0 * count());
    correlation_.schedule_past(schedule);
    for (const int wanted : orders_) {
        const Band band = affordable(wanted);
        schedule.add<&Interpolator::weigh>(*this, 0, 1, 16.0 * count());
        correlation_.schedule_lags(schedule, drawn_.data());
        schedule.add<&Interpolator::predict>(*this, band.order, band.order + 1, 4.0 * band.order * band.order + 4000);
        correlation_.schedule_filter(schedule, equations_.filter.data());
        equations_.schedule(schedule, band);
        schedule.add<&Interpolator::learn>(*this, 0, count(), PER_UNKNOWN);
    }
    schedule.add<&Interpolator::conclude>(*this, 0, 1, count());
}

// How many unknowns follow one within the order, at most.
int Interpolator::width(int order) const {
    const std::vector<int>& unknown = newest_.unknown;
    int most = 0;
    for (int i = 0, last = 0; i < count(); ++i) {
        while (last + 1 < count() && unknown[last + 1] - unknown[i] <= order) ++last;
        most = std::max(most, last - i);
    }
    return most;
}

// The highest order, halved from the one wanted, for which a round's count * width^2 multiplications are few enough.
Band Interpolator::affordable(int order) {
    for (;; order /= 2) {
        if (order >= too_high_) continue;
        const int wide = width(order);
        if (static_cast<double>(count()) * wide * wide <= most_work_) return {order, wide};
        too_high_ = order;
    }
}

// The window as it is known, and the first guess of what is not.
void Interpolator::begin(int begin, int end) {
    const int past = window_ - newest(), order = orders_.back();
    for (int t = begin; t < end; ++t) {
        const double sample = newest_.now()[t - past];
        weighted_[t] = sample * taper_[t];
        if (t >= past - order) known_[t - past + order] = sample / newest_.scale;
    }
    if (end < window_) return;
    for (int i = 0; i < count(); ++i) {
        const int at = newest_.unknown[i];
        weighted_[past + at] = known_[order + at] = 0;
        x_[i] = start_[at];
        sides_[i] = newest_.levels[at] > 0 ? 1 : -1;
        levels_[i] = std::abs(newest_.levels[at]);
        sites_[i] = {};
        equations_.precision[i] = equations_.pull[i] = 0;
    }
    std::fill(drawn_.begin(), drawn_.end(), 0.0);
}

// What the clipped samples say of noise that came after the clipping, and which share of the predictions no unknown sample made exact.
void Interpolator::judge(int, int) {
    noise_ = scatter();
    const int all = newest_.reach + newest();
    double least_true = 1;
    for (int i = 0; i < CAUTION; ++i) least_true *= 1 - static_cast<double>(count()) / all;
    true_share_ = std::max(1 - static_cast<double>(count()) / std::min(window_, std::max(newest(), least_new_)), least_true);
    if (std::all_of(weighted_.begin(), weighted_.end(), [](double x) { return x == 0; })) equations_.fail();  // nothing is known
}

// The deviation of what clipping left alike, from the median of each side.
double Interpolator::scatter() {
    double *begin = scatter_.data(), *middle = begin, *end = begin + count();
    for (const double wanted : {1.0, -1.0}) {
        double* const first = middle;
        for (int i = 0; i < count(); ++i)
            if (sides_[i] == wanted) *middle++ = wanted * newest_.now()[newest_.unknown[i]] - levels_[i];
        if (first == middle) continue;
        const double usual = median(first, middle);
        for (double* over = first; over < middle; ++over) *over = std::abs(*over - usual);
    }
    return NORMAL * median(begin, end);
}

// The end of the window as it is restored so far, and a draw of what that may differ by.
void Interpolator::weigh(int, int) {
    const int past = window_ - newest();
    for (int i = 0; i < count(); ++i) weighted_[past + newest_.unknown[i]] = x_[i] * taper_[past + newest_.unknown[i]];
}

// The error filter 1, a_1 .. a_order of a process with these autocorrelations, by Levinson's recursion, and the power of its errors.
void Interpolator::predict(int order, int) {
    for (int lag = 0; lag <= order; ++lag) correlations_[lag] = correlation_.lag(lag);
    double& whole = correlations_[0];
    if (!(whole > 0)) equations_.fail();
    correlation_.set_taps(order + 1);
    if (equations_.failed()) return;
    whole += std::clamp(noise_ * noise_ * weight_, NOISE_FLOOR * whole, MOST_NOISE * whole);
    double error = whole;
    std::reverse_copy(correlations_.begin(), correlations_.begin() + order + 1, reversed_.begin());
    double* filter = equations_.filter.data();
    std::fill(equations_.filter.begin(), equations_.filter.end(), 0.0);
    filter[0] = 1;
    for (int i = 0; i < order; ++i) {
        const double reflection = -kernels_.dot(filter, reversed_.data() + order - i - 1, i + 1) / error;
        std::reverse_copy(filter, filter + i + 1, swap_.begin());
        for (int j = 0; j <= i; ++j) filter[j + 1] += reflection * swap_[j];
        error *= 1 - reflection * reflection;
    }
    power_ = std::max(kernels_.dot(filter, correlations_.data(), order + 1) / weight_ / true_share_, TINY);
    for (int i = 0; i < count(); ++i) {
        equations_.precision[i] = power_ * sites_[i].precision;
        equations_.pull[i] = power_ * sides_[i] * sites_[i].pull;
    }
}

// What the levels say of the solution, for the next round.
void Interpolator::learn(int begin, int end) {
    if (equations_.failed()) return;
    const double deviation = std::sqrt(power_);
    const int past = window_ - newest();
    for (int first = begin; first < end; first += BATCH) {
        const int last = std::min(first + BATCH, end);
        Normal cut[BATCH];
        for (int i = first; i < last; ++i) {
            const double* draws = equations_.drawn(i);
            double variance = 0;
            for (int d = 0; d < SIDES; ++d) variance += draws[d] * draws[d] / SIDES;
            x_[i] = equations_.solved(i);
            drawn_[newest_.unknown[i]] = deviation * draws[0] * taper_[past + newest_.unknown[i]];
            cut[i - first] = cavities_[i] = cavity({sides_[i] * x_[i], power_ * variance}, sites_[i]);
        }
        cut_off(cut, levels_.data() + first, last - first);
        for (int i = first; i < last; ++i) {
            sites_[i] = site_between(cavities_[i], cut[i - first]);
            found_[i] = sides_[i] * cut[i - first].mean;
            variances_[i] = cut[i - first].variance;
        }
    }
}

// Where no model fits, what was restored so far stays, and may be off by all of its size.
void Interpolator::conclude(int, int) {
    if (!equations_.failed()) return;
    std::copy_n(x_.begin(), count(), found_.begin());
    for (int i = 0; i < count(); ++i) variances_[i] = x_[i] * x_[i];
}

}  // namespace declipper
