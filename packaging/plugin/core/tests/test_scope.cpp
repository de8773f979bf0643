// What an interface sees: nothing torn and nothing out of order, however fast either side is, and no allocation in the audio thread.
#include "allocations.hpp"
#include "../../scope.hpp"

#include <thread>

#include "check.hpp"

using declipper::Column;
using declipper::Scope;
using declipper::ScopeWriter;

namespace {

constexpr int COUNT = 200000;

void a_reader_in_another_thread_sees_whole_columns_in_order() {
    static Scope scope;
    static std::atomic<bool> finished = false;
    std::thread writer([] {
        for (int i = 1; i <= COUNT; ++i) {
            const float value = static_cast<float>(i);
            scope.write({-value, value, -value, value, value, value, value});
        }
        finished = true;
    });
    float last = 0;
    int seen = 0;
    for (bool over = false; !over;) {
        over = finished;
        for (Column column; scope.read(column); ++seen) {
            CHECK(column.high > last, "%g after %g", column.high, last);
            CHECK(column.low == -column.high && column.level_negative == column.high, "%g is torn", column.high);
            last = column.high;
        }
    }
    CHECK(seen > 0, "nothing was seen");
    writer.join();
}

void columns_hold_what_was_written() {
    Scope scope;
    ScopeWriter writer(&scope, 600);  // ten frames a column
    const long before = allocations;
    for (int i = 0; i < 6000; ++i) {
        writer.add(i % 10 == 3 ? 0.5f : -0.25f, i % 10 == 3 ? 0.75f : std::nanf(""), -2);
        writer.next(0.5f, 0);
    }
    CHECK(allocations == before, "%ld calls", allocations - before);
    Column column;
    int count = 0;
    for (; scope.read(column); ++count) {
        CHECK(column.low == -0.25f && column.high == 0.5f && column.restored_low == 0 && column.restored_high == 0.75f && column.out == 2,
              "%g %g %g %g %g", column.low, column.high, column.restored_low, column.restored_high, column.out);
        CHECK(column.level_positive == 0.5f && column.level_negative == 0, "%g %g", column.level_positive, column.level_negative);
    }
    CHECK(count > 4 * Scope::PER_SECOND && count < 600, "a full queue holds %d", count);
    scope.write(column);
    scope.skip();
    CHECK(!scope.read(column), "what was skipped is there");
    ScopeWriter(nullptr, 600).next(0, 0);
}

}  // namespace

int main() {
    columns_hold_what_was_written();
    a_reader_in_another_thread_sees_whole_columns_in_order();
    return failures != 0;
}
