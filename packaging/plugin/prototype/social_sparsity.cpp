#include "social_sparsity.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace declipper {
namespace {

constexpr int SHORTER = 4, SHORT_EVERY = 4, NEIGHBOURS = 9;  // SHORTER, SHORT_EVERY, BINS * FRAMES in Python
constexpr float LEAST_RELIABLE = 0.1f;
constexpr float NOWHERE = -std::numeric_limits<float>::infinity();

}  // namespace

SocialSparsity::Spectrum::Spectrum(int window, int longest, int most)
    : window_(window), hop_(window / 2), offset_(longest), fft_(window), fade_(window) {
    for (int t = 0; t < window; ++t) fade_sum_ += fade_[t] = static_cast<float>(std::sin(M_PI * (t + 0.5) / window));
    const int size = ((most + longest - 1) / longest + 2) * longest + hop_, frames = size / hop_ + 1;
    padded_.resize(size + window);
    share_.resize(frames + 2);
    slot_of_.resize(frames + 2);
    for (auto* list : {&moving_, &rows_, &row_of_}) list->reserve(frames);
    scale_.resize(frames + LANES);
    power_.resize(static_cast<std::size_t>(frames) * fft_.bins());
    places_.reserve(most);
    signals_.resize(static_cast<std::size_t>((frames + LANES) / LANES) * window);
    work_.resize(window);
    spectra_.resize(static_cast<std::size_t>((frames + LANES) / LANES) * fft_.bins());
    gain_.resize(fft_.bins() + 2);
}

void SocialSparsity::Spectrum::begin(const float* samples, int frames, const std::vector<int>& unknown, const std::vector<float>& levels) {
    const int size = ((frames + offset_ - 1) / offset_ + 2) * offset_ + hop_, count = (size - window_) / hop_ + 1;
    std::fill(padded_.begin(), padded_.begin() + size, 0.0f);
    // the share that was clipped of each frame of the spectrum, then the mean over three
    for (std::size_t i = 0; i < unknown.size(); ++i)
        if (levels[i] != NOWHERE) padded_[offset_ + unknown[i]] = 1;
    for (int k = 0; k < count; ++k) {
        double sum = 0;
        for (int t = 0; t < window_; ++t) sum += padded_[k * hop_ + t] * fade_[t];
        share_[k + 1] = static_cast<float>(sum / fade_sum_);
    }
    share_[0] = share_[count + 1] = 0;
    std::fill(padded_.begin(), padded_.begin() + size, 0.0f);
    std::copy_n(samples, frames, padded_.begin() + offset_);
    moving_.clear();
    rows_.clear();
    row_of_.clear();
    for (int u : unknown)
        for (int k : {(u + offset_) / hop_ - 1, (u + offset_) / hop_})
            if (moving_.empty() || k > moving_.back()) moving_.push_back(k);
    for (int k : moving_)
        for (int row = k - 1; row <= k + 1; ++row)
            if (rows_.empty() || row > rows_.back()) rows_.push_back(row);
    // frames that do not move only have their power looked at: they go through the slots first
    std::fill(signals_.begin(), signals_.end(), Lanes{});
    float* flat = reinterpret_cast<float*>(signals_.data());
    for (std::size_t first = 0; first < rows_.size(); first += LANES) {
        for (std::size_t i = first; i < std::min(first + LANES, rows_.size()); ++i)
            for (int t = 0; t < window_; ++t) flat[t * LANES + (i - first)] = padded_[rows_[i] * hop_ + t] * fade_[t];
        std::copy_n(signals_.begin(), window_, work_.begin());
        fft_.forward(work_.data(), spectra_.data());
        for (std::size_t i = first; i < std::min(first + LANES, rows_.size()); ++i) power_of(static_cast<int>(i - first), static_cast<int>(i));
    }
    std::fill(signals_.begin(), signals_.begin() + window_, Lanes{});
    for (std::size_t slot = 0; slot < moving_.size(); ++slot) {
        const int k = moving_[slot];
        slot_of_[k] = static_cast<int>(slot);
        row_of_.push_back(static_cast<int>(std::lower_bound(rows_.begin(), rows_.end(), k) - rows_.begin()));
        for (int t = 0; t < window_; ++t) flat[at(static_cast<int>(slot), t)] = padded_[k * hop_ + t] * fade_[t];
        const float share = (share_[k] + share_[k + 1] + share_[k + 2]) / 3;
        scale_[slot] = share / std::max(1 - share, LEAST_RELIABLE) * static_cast<float>(window_ / M_PI * std::sqrt(NEIGHBOURS));
    }
    places_.clear();
    for (int u : unknown) {
        const int second = (u + offset_) / hop_, place = (u + offset_) % hop_;
        places_.push_back({at(slot_of_[second - 1], place + hop_), at(slot_of_[second], place), fade_[place + hop_], fade_[place]});
    }
}

// The power of one slot's spectrum becomes that of a row.
void SocialSparsity::Spectrum::power_of(int slot, int row) {
    const Complex* spectrum = spectra_.data() + static_cast<std::ptrdiff_t>(slot / LANES) * fft_.bins();
    float* power = power_.data() + static_cast<std::ptrdiff_t>(row) * fft_.bins();
    const int lane = slot % LANES;
    for (int b = 0; b < fft_.bins(); ++b) {
        const Lanes all = spectrum[b].re * spectrum[b].re + spectrum[b].im * spectrum[b].im;
        power[b] = all[lane];
    }
}

void SocialSparsity::Spectrum::shrink(const std::vector<float>& values, double amplitude, std::vector<float>& found) {
    float* flat = reinterpret_cast<float*>(signals_.data());
    for (std::size_t i = 0; i < places_.size(); ++i) {
        flat[places_[i].before] = values[i] * places_[i].falling;
        flat[places_[i].after] = values[i] * places_[i].rising;
    }
    const int count = static_cast<int>(moving_.size()), bins = fft_.bins(), groups = (count + LANES - 1) / LANES;
    for (int g = 0; g < groups; ++g) {
        std::copy_n(signals_.begin() + g * window_, window_, work_.begin());
        fft_.forward(work_.data(), spectra_.data() + g * bins);
        for (int lane = 0; lane < LANES && g * LANES + lane < count; ++lane) power_of(g * LANES + lane, row_of_[g * LANES + lane]);
    }
    for (int g = 0; g < groups; ++g) {
        float* gain = reinterpret_cast<float*>(gain_.data());
        std::fill(gain_.begin(), gain_.end(), Lanes{});
        Lanes least = {};
        for (int lane = 0; lane < LANES && g * LANES + lane < count; ++lane) {
            const int slot = g * LANES + lane;
            const float* row = power_.data() + static_cast<std::ptrdiff_t>(row_of_[slot]) * bins;
            for (int b = 0; b < bins; ++b) gain[(b + 1) * LANES + lane] = row[b] + row[b - bins] + row[b + bins];
            const float level = scale_[slot] * static_cast<float>(amplitude);
            least[lane] = level * level;
        }
        Complex* spectrum = spectra_.data() + g * bins;
        constexpr float TINY = std::numeric_limits<float>::min();
        for (int b = 0; b < bins; ++b) {
            const Lanes around = gain_[b] + gain_[b + 1] + gain_[b + 2] + TINY;
            Lanes kept = 1 - least / around;
            kept = kept > 0 ? kept : Lanes{};
            spectrum[b].re *= kept;
            spectrum[b].im *= kept;
        }
        fft_.backward(spectrum, work_.data());
        float* back = reinterpret_cast<float*>(work_.data());
        const int from = g * LANES * window_, to = from + LANES * window_;
        for (std::size_t i = 0; i < places_.size(); ++i) {
            if (g == 0) found[i] = 0;
            if (places_[i].before >= from && places_[i].before < to) found[i] += back[places_[i].before - from] * places_[i].falling;
            if (places_[i].after >= from && places_[i].after < to) found[i] += back[places_[i].after - from] * places_[i].rising;
        }
    }
}

SocialSparsity::SocialSparsity(int window, int most) : window_(window), long_(window, window, most), short_(window / SHORTER, window, most) {
    unknown_.reserve(most);
    for (auto* list : {&bounds_, &now_, &before_, &ahead_, &moved_}) list->reserve(most);
    extended_.resize(most);
}

void SocialSparsity::restore(float* samples, const float* levels, int frames, int beyond, const FallingThreshold& threshold) {
    float scale = 0;
    int first = 0;
    while (first < frames && levels[first] == 0) ++first;
    if (first == frames) return;
    for (int t = first; t < frames; ++t) scale = std::max(scale, std::abs(levels[t]));
    first = std::max(0, (first - window_ - window_ / 2) / window_ * window_);
    unknown_.clear();
    bounds_.clear();
    for (int t = first; t < frames; ++t) {
        extended_[t - first] = samples[t] / scale;
        if (levels[t] != 0) {
            unknown_.push_back(t - first);
            bounds_.push_back(levels[t] / scale);
        }
    }
    const std::size_t clipped = unknown_.size();
    for (int t = frames; t < frames + beyond; ++t) {
        extended_[t - first] = 0;
        unknown_.push_back(t - first);
        bounds_.push_back(NOWHERE);
    }
    long_.begin(extended_.data(), frames + beyond - first, unknown_, bounds_);
    short_.begin(extended_.data(), frames + beyond - first, unknown_, bounds_);
    now_.resize(unknown_.size());
    for (std::size_t i = 0; i < unknown_.size(); ++i) now_[i] = extended_[unknown_[i]];
    before_ = now_;
    ahead_.resize(now_.size());
    moved_.resize(now_.size());
    for (int i = 1; i <= threshold.iterations; ++i) {
        const double share = threshold.iterations > 1 ? static_cast<double>(i - 1) / (threshold.iterations - 1) : 0;
        for (std::size_t u = 0; u < now_.size(); ++u) ahead_[u] = now_[u] + threshold.momentum * (now_[u] - before_[u]);
        (i % SHORT_EVERY == 0 ? short_ : long_).shrink(ahead_, threshold.first * std::pow(threshold.last / threshold.first, share), moved_);
        before_.swap(now_);
        for (std::size_t u = 0; u < now_.size(); ++u) {
            const float value = (moved_[u] - ahead_[u]) * threshold.step + ahead_[u], bound = bounds_[u];
            now_[u] = bound == NOWHERE ? value : bound > 0 ? std::max(value, bound) : std::min(value, bound);
        }
    }
    for (std::size_t u = 0; u < clipped; ++u) samples[first + unknown_[u]] = scale * now_[u];
}

}  // namespace declipper
