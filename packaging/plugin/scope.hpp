// What an interface sees of the sound: the shell writes it in the audio thread, without waiting, and the interface reads it in another.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>

namespace declipper {

// A sixtieth of a second of all channels together. low, high: of the input; restored_low, restored_high: of what became of it, before
// gain and mix; out: the peak of what the host was given. Levels are linear and positive, 0 where none was found.
struct Column {
    float low = 0, high = 0, restored_low = 0, restored_high = 0;
    float out = 0;
    float level_positive = 0, level_negative = 0;
};

// A queue with one writer and one reader, either of which may be slow. When it is full, what is written is lost.
class Scope {
public:
    static constexpr int PER_SECOND = 60;

    // For the writer.
    void write(const Column& column) {
        const std::size_t at = written_.load(std::memory_order_relaxed), next = (at + 1) % columns_.size();
        if (next == read_.load(std::memory_order_acquire)) return;
        columns_[at] = column;
        written_.store(next, std::memory_order_release);
    }

    // For the reader: false where there is no more.
    bool read(Column& column) {
        const std::size_t at = read_.load(std::memory_order_relaxed);
        if (at == written_.load(std::memory_order_acquire)) return false;
        column = columns_[at];
        read_.store((at + 1) % columns_.size(), std::memory_order_release);
        return true;
    }

    // For the reader: skip what was written before anybody looked.
    void skip() { read_.store(written_.load(std::memory_order_acquire), std::memory_order_release); }

private:
    static_assert(std::atomic<std::size_t>::is_always_lock_free, "the audio thread would have to wait");
    std::array<Column, 256> columns_;  // four seconds
    std::atomic<std::size_t> written_ = 0, read_ = 0;
};

// Sums samples up into columns.
class ScopeWriter {
public:
    ScopeWriter(Scope* to, double sample_rate) : to_(to), frames_(std::max(1, static_cast<int>(sample_rate / Scope::PER_SECOND))) {}

    void add(float dry, float restored, float out) {
        if (to_ == nullptr) return;
        column_.low = std::fmin(column_.low, dry);  // leaves out what is no number
        column_.high = std::fmax(column_.high, dry);
        column_.restored_low = std::fmin(column_.restored_low, restored);
        column_.restored_high = std::fmax(column_.restored_high, restored);
        column_.out = std::fmax(column_.out, std::abs(out));
    }

    // A frame is complete.
    void next(float level_positive, float level_negative) {
        if (to_ == nullptr || ++done_ < frames_) return;
        column_.level_positive = level_positive;
        column_.level_negative = level_negative;
        to_->write(column_);
        column_ = Column();
        done_ = 0;
    }

private:
    Scope* to_;
    int frames_, done_ = 0;
    Column column_;
};

}  // namespace declipper
