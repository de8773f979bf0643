#include "tracker.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace declipper {
namespace {

using namespace evidence;
using namespace excursions;
using namespace tracker;

constexpr int BLURS = static_cast<int>(std::size(RUNGS));
static_assert(BLURS == std::size(FEWEST), "every blur has its own number of excursions");

bool same(double top, double height) { return height < NO_LEVEL && std::abs(top - height) <= SAME * height; }

}  // namespace

double Tracker::Excursion::level() const { return top * (1 - (rung == 0 ? finest : UNDER)); }

Tracker::Polarity::Polarity(double sample_rate, int steps)
    : together_(static_cast<std::int64_t>(TOGETHER * sample_rate)), hold_(static_cast<std::int64_t>(HOLD * sample_rate)) {
    open_.reserve(LONGEST + 1);
    // an excursion and what parts it from the next take two frames
    tops_.resize(static_cast<std::size_t>(together_ / 2 + 2));
    steps_.reserve(steps);
    reset();
}

void Tracker::Polarity::reset() {
    seen_ = refreshed_ = 0;
    std::fill_n(peaks_, CELLS, 0.0);
    peak_ = -NO_LEVEL;
    cut_ = FLOOR;
    open_.clear();
    endless_ = false;
    flats_ = 0;
    top_count_ = 0;
    height_ = proven_ = NO_LEVEL;
    steps_.assign(1, {0, NO_LEVEL});
}

void Tracker::Polarity::push(double value, double quantum) {
    peak_ = std::max(peak_, value);
    if (value >= cut_) {
        if (!endless_) open_.push_back(static_cast<float>(value));
        if (open_.size() > std::size_t{LONGEST}) {
            endless_ = true;
            open_.clear();
        }
    } else {
        endless_ = false;
        if (!open_.empty()) {
            judge(quantum);
            open_.clear();
        }
    }
    ++seen_;
}

void Tracker::Polarity::close_cell() {
    std::copy(peaks_ + 1, peaks_ + CELLS, peaks_);
    peaks_[CELLS - 1] = peak_;
    peak_ = -NO_LEVEL;
    cut_ = std::max(FLOOR, CUT * *std::max_element(peaks_, peaks_ + CELLS));
}

// Judge how flat the excursion is that has just ended, and take it up.
void Tracker::Polarity::judge(double quantum) {
    const double top = *std::max_element(open_.begin(), open_.end());
    const int length = static_cast<int>(open_.size());
    Excursion found = {seen_ - length, seen_, top, std::max(RUNGS[0], STEP * quantum / top), -1, 0, length};
    for (int rung = BLURS - 1; rung >= 0 && found.finest <= COARSEST; --rung) {
        const double share = std::max(RUNGS[rung], found.finest);
        int narrow = 0, wide = 0;
        for (float value : open_) {
            const double depth = 1 - value / top;
            narrow += depth <= share;
            wide += depth <= WIDER * share;
        }
        if (narrow >= INSIDE && narrow - 1 >= FLAT * (wide - 1)) {
            found.rung = rung;
            found.inside = wide;
            found.beside = length - wide;
        }
    }
    expire(found.end);
    take(found);
}

// Give the level up that no flat excursion has confirmed for too long.
void Tracker::Polarity::expire(std::int64_t now) {
    if (now <= refreshed_ + hold_) return;
    proven_ = NO_LEVEL;
    if (height_ < NO_LEVEL) step(refreshed_ + hold_, NO_LEVEL, NO_LEVEL);
}

// From `frame` on the plateau stands at `height`; what was known of later frames is forgotten.
void Tracker::Polarity::step(std::int64_t frame, double height, double level) {
    height_ = height;
    while (!steps_.empty() && steps_.back().frame >= frame) steps_.pop_back();
    steps_.push_back({frame, level});
}

// Of the time within which tops count, keep those that no later one exceeds.
void Tracker::Polarity::remember_top(const Excursion& e) {
    const auto at = [&](std::size_t i) -> Top& { return tops_[(first_top_ + i) % tops_.size()]; };
    while (top_count_ > 0 && at(top_count_ - 1).top <= e.top) --top_count_;
    at(top_count_++) = {e.end, e.top};
    for (; at(0).end < e.end - together_; --top_count_) first_top_ = (first_top_ + 1) % tops_.size();
}

// Take an excursion up: a higher one releases the level, a flat one holds it, and enough flat ones at one height start a new one.
void Tracker::Polarity::take(const Excursion& e) {
    if (e.top > height_ * (1 + SAME)) step(e.begin, NO_LEVEL, NO_LEVEL);
    remember_top(e);
    if (e.rung < 0) return;
    if (flats_ == FLATS) std::copy(flat_ + 1, flat_ + flats_--, flat_);
    flats_ = static_cast<int>(std::remove_if(flat_, flat_ + flats_, [&](auto& f) { return f.end < e.end - together_; }) - flat_);
    flat_[flats_++] = e;
    if (same(e.top, height_)) {
        refreshed_ = e.end;
        if (e.top * (1 - e.finest) < steps_.back().level || e.top > height_ * (1 + UNDER / 2)) step(e.begin, e.top, e.level());
    } else if (height_ == NO_LEVEL && same(e.top, proven_)) {
        attack(e, e);
    } else if (tops_[first_top_].top <= e.top * (1 + SAME)) {
        int counts[BLURS] = {};
        double inside = 0, beside = 0;
        const Excursion *first = nullptr, *lowest = nullptr;
        for (const Excursion* f = flat_; f < flat_ + flats_; ++f) {
            if (!same(f->top, e.top)) continue;
            for (int rung = 0; rung < BLURS; ++rung) counts[rung] += f->rung <= rung;
            inside += f->inside;
            beside += f->beside;
            if (!first) first = f;
            if (!lowest || f->level() < lowest->level()) lowest = f;
        }
        bool enough = false;
        for (int rung = 0; rung < BLURS; ++rung) enough |= counts[rung] >= FEWEST[rung];
        if (enough && beside >= BETWEEN * inside) attack(*first, *lowest);
    }
}

// The level of a plateau holds from the first of its excursions on, and lies where the lowest of them says.
void Tracker::Polarity::attack(const Excursion& first, const Excursion& lowest) {
    refreshed_ = flat_[flats_ - 1].end;
    proven_ = lowest.top;
    step(first.begin, lowest.top, lowest.level());
}

void Tracker::Polarity::levels(double* found, int frames) {
    expire(seen_);
    const std::int64_t start = seen_ - frames;
    auto current = steps_.begin();
    while (current + 1 != steps_.end() && current[1].frame <= start) ++current;
    current = steps_.erase(steps_.begin(), current);
    for (int t = 0; t < frames;) {
        const bool last = current + 1 == steps_.end();
        const int end = last ? frames : static_cast<int>(std::min<std::int64_t>(frames, current[1].frame - start));
        std::fill(found + t, found + end, current->level);
        t = end;
        if (!last) ++current;
    }
}

Tracker::Tracker(double sample_rate, int window, int hop) : up_(sample_rate, window + hop), down_(sample_rate, window + hop) {}

void Tracker::reset() {
    up_.reset();
    down_.reset();
    in_cell_ = 0;
    quantum_ = NO_LEVEL;
}

void Tracker::push(const float* samples, int frames) {
    for (int t = 0; t < frames; ++t) {
        const float value = std::isfinite(samples[t]) ? samples[t] : 0.0f;
        up_.push(value, quantum_);
        down_.push(-value, quantum_);
        collect(std::abs(value));
        if (in_cell_ == CELL) close_cell();
    }
}

// A merge sort whose work is done as the samples come: a run is merged with the one before it as soon as both are of one length.
void Tracker::collect(float size) {
    constexpr int SHORTEST = 16;
    int at = in_cell_++;
    for (; at % SHORTEST != 0 && cell_[at - 1] > size; --at) cell_[at] = cell_[at - 1];
    cell_[at] = size;
    for (int run = SHORTEST; run < CELL && in_cell_ % (2 * run) == 0; run *= 2) {
        float merged[CELL];
        float *end = cell_ + in_cell_, *middle = end - run, *begin = middle - run;
        std::merge(begin, middle, middle, end, merged);
        std::copy_n(merged, 2 * run, begin);
    }
}

// Find the height to cut at and the step of quantisation for the next cell.
void Tracker::close_cell() {
    in_cell_ = 0;
    up_.close_cell();
    down_.close_cell();
    for (int i = 1; i < CELL; ++i) {
        const double difference = static_cast<double>(cell_[i]) - cell_[i - 1];
        if (difference > LEAST_STEP) quantum_ = std::min(quantum_, difference);
    }
}

void Tracker::levels(double* positive, double* negative, int frames) {
    up_.levels(positive, frames);
    down_.levels(negative, frames);
    for (int t = 0; t < frames; ++t) negative[t] = -negative[t];
}

}  // namespace declipper
