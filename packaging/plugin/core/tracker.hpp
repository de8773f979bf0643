// Finds the clip levels of one channel while it is still coming, as declipper/detection/tracker.py and excursions.py do, but sample
// by sample.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "constants.hpp"

namespace declipper {

constexpr double NO_LEVEL = std::numeric_limits<double>::infinity();

class Tracker {
public:
    // `levels` is asked for the last `window` frames at most, and every `hop` frames at least.
    Tracker(double sample_rate, int window, int hop);

    void push(const float* samples, int frames);

    // The levels at the last `frames` frames as they are known by now, NO_LEVEL and -NO_LEVEL where there is none.
    void levels(double* positive, double* negative, int frames);

    void reset();

private:
    // Frames begin..end, an unbroken stretch of the signal above the height that excursions are cut out at. top: its highest sample.
    // finest: the smallest share of the top at which its flatness can be judged, a step of quantisation or the finest blur. rung: the
    // first of the blurs RUNGS at which it is flat, -1 where there is none. inside, beside: how many samples are on its plateau, and
    // how many below it.
    struct Excursion {
        std::int64_t begin, end;
        double top, finest;
        int rung, inside, beside;
        double level() const;  // of the plateau that it is part of
    };

    // Tracks the level of one polarity, turned so that its excursions point up.
    class Polarity {
    public:
        Polarity(double sample_rate, int steps);
        // The next sample, and the step of quantisation that is known by now.
        void push(double value, double quantum);
        // A cell of samples is complete: take the height to cut at anew.
        void close_cell();
        void levels(double* found, int frames);
        void reset();

    private:
        struct Step {
            std::int64_t frame;  // from which on the level holds
            double level;
        };
        struct Top {
            std::int64_t end;
            double top;
        };

        void judge(double quantum);
        void expire(std::int64_t now);
        void step(std::int64_t frame, double height, double level);
        void take(const Excursion&);
        void attack(const Excursion& first, const Excursion& lowest);
        void remember_top(const Excursion&);

        static constexpr int CELLS = excursions::CELLS, FLATS = tracker::FLATS;
        std::int64_t together_, hold_;
        std::int64_t seen_ = 0, refreshed_ = 0;
        double peaks_[CELLS] = {}, peak_ = 0, cut_ = 0;
        std::vector<float> open_;
        bool endless_ = false;
        Excursion flat_[FLATS];
        int flats_ = 0;
        std::vector<Top> tops_;  // a ring of falling tops, the highest of the time that counts first
        std::size_t first_top_ = 0, top_count_ = 0;
        double height_ = NO_LEVEL, proven_ = NO_LEVEL;
        std::vector<Step> steps_;
    };

    void collect(float size);
    void close_cell();

    Polarity up_, down_;
    float cell_[excursions::CELL];  // sizes, in sorted runs
    int in_cell_ = 0;
    double quantum_ = NO_LEVEL;
};

}  // namespace declipper
