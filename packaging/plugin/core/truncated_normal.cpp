#include "truncated_normal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "constants.hpp"

namespace declipper {
namespace {

using namespace truncated;

// A batch of numbers: the compiler makes vectors of the loops over them.
struct Numbers {
    double at[BATCH];
};

// e^x by its Taylor series, once the powers of 2 are taken out; 0 <= x < 700.
double exponential(double x) {
    constexpr double HIGH = 0.693145751953125, LOW = 1.42860682030941723212e-6;  // of the logarithm of 2
    constexpr double ROUND = 6755399441055744.0;  // 1.5 * 2^52: the last bits of what is added to it are whole numbers
    const double shifted = x * (1 / (HIGH + LOW)) + ROUND, powers = shifted - ROUND;
    const double rest = x - powers * HIGH - powers * LOW;
    double sum = 1;
    for (int i = 13; i > 0; --i) sum = 1 + sum * rest * (1.0 / i);
    std::uint64_t bits;
    std::memcpy(&bits, &shifted, 8);
    bits = (bits + 1023) << 52;  // the exponent of a double
    double power;
    std::memcpy(&power, &bits, 8);
    return sum * power;
}

// exp(x^2) erfc(x), to 12 digits and with the same bits on every system. For x >= 0, (1 + 2 x) times that is a Chebyshev series in
// (x - C) / (x + C): Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf", Math. Comp. 1981.
Numbers erfcx(const Numbers& x) {
    Numbers t, now = {}, before = {}, found;
    for (int i = 0; i < BATCH; ++i) t.at[i] = (std::abs(x.at[i]) - ERFCX_MIDDLE) / (std::abs(x.at[i]) + ERFCX_MIDDLE);
    for (int k = static_cast<int>(std::size(ERFCX)) - 1; k > 0; --k)
        for (int i = 0; i < BATCH; ++i) {
            const double next = 2 * t.at[i] * now.at[i] - before.at[i] + ERFCX[k];
            before.at[i] = now.at[i];
            now.at[i] = next;
        }
    for (int i = 0; i < BATCH; ++i) {
        const double positive = (t.at[i] * now.at[i] - before.at[i] + ERFCX[0]) / (1 + 2 * std::abs(x.at[i]));
        const double negative = std::min(x.at[i], 0.0);
        const double mirrored = 2 * exponential(negative * negative) - positive;
        found.at[i] = x.at[i] < 0 ? mirrored : positive;
    }
    return found;
}

}  // namespace

void cut_off(Normal* normals, const double* levels, int count) {
    constexpr double ROOT = 0.70710678118654752440, SCALE = 0.79788456080286535588;  // the roots of 1/2 and of 2/pi
    Numbers deviations, distances, x;
    for (int i = 0; i < BATCH; ++i) {
        const Normal& normal = normals[std::min(i, count - 1)];
        deviations.at[i] = std::sqrt(std::max(normal.variance, TINY));
        distances.at[i] = std::max((levels[std::min(i, count - 1)] - normal.mean) / deviations.at[i], -FAR);
        x.at[i] = distances.at[i] * ROOT;
    }
    const Numbers scaled = erfcx(x);
    for (int i = 0; i < count; ++i) {
        const double hazard = SCALE / scaled.at[i], distance = distances.at[i];
        const double left = distance > FAR ? 1 / (distance * distance + 6) : 1 - hazard * (hazard - distance);
        normals[i] = {std::max(normals[i].mean + deviations.at[i] * hazard, levels[i]), normals[i].variance * std::clamp(left, 0.0, 1.0)};
    }
}

Normal cavity(Normal normal, Site site) {
    const double spread = 1 / std::max(1 / normal.variance - site.precision, LEAST_SHARE / normal.variance);
    return {normal.mean + spread * (site.precision * normal.mean - site.pull), spread};
}

Site site_between(Normal cavity, Normal cut) {
    const double precision = std::max(1 / std::max(cut.variance, TINY) - 1 / cavity.variance, 0.0);
    return {precision, precision * cut.mean + (cut.mean - cavity.mean) / cavity.variance};
}

}  // namespace declipper
