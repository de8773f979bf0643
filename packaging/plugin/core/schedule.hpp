// Work that is known in advance, cut into small units so that it can be spread evenly over the calls of the audio thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace declipper {

class Schedule {
public:
    void reserve(std::size_t units) { units_.reserve(units); }

    void clear() {
        units_.clear();
        next_ = 0;
        total_ = done_ = 0;
    }

    // Work = a member function of `owner` that takes a range; `cost` is that of one element of begin..end. The order of adding is
    // the order of running.
    template <auto Work, class Owner>
    void add(Owner& owner, int begin, int end, double cost) {
        const int step = std::max(1, static_cast<int>(most_ / cost));
        for (int first = begin; first < end; first += step) {
            const int last = std::min(first + step, end);
            const auto run = [](void* self, int from, int to) { (static_cast<Owner*>(self)->*Work)(from, to); };
            units_.push_back({run, &owner, first, last, (last - first) * cost});
            total_ += units_.back().cost;
        }
    }

    // Count work that was done on the spot: so much less of the rest falls to the frames that come first.
    void charge(double cost) {
        total_ += cost;
        done_ += cost;
    }

    // Run units until `share` of all the cost is done; a share of 1 leaves none.
    void advance(double share) {
        while (next_ < units_.size() && done_ < share * total_) {
            const Unit& unit = units_[next_++];
            unit.run(unit.owner, unit.begin, unit.end);
            done_ += unit.cost;
        }
    }

private:
    struct Unit {
        void (*run)(void*, int, int);
        void* owner;
        int begin, end;
        double cost;
    };

    // Cost of a unit at most, unless a single element costs more: in float multiplications, some 10 microseconds.
    static constexpr double most_ = 2e5;

    std::vector<Unit> units_;
    std::size_t next_ = 0;
    double total_ = 0, done_ = 0;
};

}  // namespace declipper
