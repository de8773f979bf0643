// A sine with the same bits on every system: those of the C libraries differ in the last one, which the estimates would show.
#pragma once

namespace declipper {

// sin(pi * share) for a share from 0 to 1, by its Taylor series, to a few units of the last place.
inline double sine(double share) {
    const double x = 3.14159265358979323846 * (share < 0.5 ? share : 1 - share);
    double term = x, sum = x;
    for (int power = 3; power <= 25; power += 2) sum += term *= -x * x / (power * (power - 1));
    return sum;
}

}  // namespace declipper
