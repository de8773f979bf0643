#include "network.hpp"

#include <algorithm>

namespace declipper {
namespace {

constexpr int KERNEL = Model::KERNEL;
constexpr float SLOPE = network::SLOPE;
// The maps, and one of zeros that fills the rows of the last product up to whole blocks.
constexpr int WHOLE_MAPS = 4;

constexpr int NOWHERE = -1;

int dilation(int block) { return 1 + 2 * (block % 2); }

// How far residual blocks first..last look to either side.
int reach(int first, int last) {
    int frames = 0;
    for (int block = first; block < last; ++block) frames += (dilation(block) + 1) * (KERNEL / 2);
    return frames;
}

}  // namespace

Network::Signal::Signal(int frames_, int channels_)
    : frames(frames_), channels(channels_), data_(static_cast<std::size_t>(frames_ + 2 * margin_) * channels_) {}

Network::Network(const Model& model, const Kernels& kernels, int frames, int begin, int end)
    : kernels_(kernels), input_(frames, Model::INPUTS), weights_(model.weights.data()) {
    const int depth = static_cast<int>(model.levels.size());
    std::vector<int> lengths;
    for (const auto& level : model.levels) lengths.push_back((lengths.empty() ? frames : lengths.back()) / level.stride);

    // from the output back to the input: the rows of every layer that the wanted frames depend on
    std::vector<Range> encoded(depth), decoded(depth), merged(depth), strided(depth);
    Range wanted = read_by_transposed({begin, end}, model.levels[0].stride, lengths[0]);
    for (int l = 0; l < depth; ++l) {
        decoded[l] = wanted;
        merged[l] = l + 1 < depth ? grown(wanted, reach(0, model.levels[l].blocks), lengths[l]) : wanted;
        if (l + 1 < depth) wanted = read_by_transposed(merged[l], model.levels[l + 1].stride, lengths[l + 1]);
    }
    for (int l = depth - 1; l >= 0; --l) {
        encoded[l] = merged[l];
        if (l + 1 < depth) {
            const int stride = model.levels[l + 1].stride;
            encoded[l].begin = std::min(encoded[l].begin, std::max(0, strided[l + 1].begin * stride - stride / 2));
            encoded[l].end = std::max(encoded[l].end, std::min(lengths[l], strided[l + 1].end * stride + stride / 2));
        }
        strided[l] = grown(encoded[l], reach(0, model.levels[l].blocks), lengths[l]);
    }

    std::vector<Signal*> skips;
    const Signal* x = &input_;
    for (int l = 0; l < depth; ++l) {
        const auto& level = model.levels[l];
        Signal& y = signal(lengths[l], level.channels);
        convolve(*x, 2 * level.stride, 1, level.stride, y, strided[l], Finish::store);
        residuals(y, level.blocks, encoded[l]);
        skips.push_back(&y);
        x = &y;
    }
    for (int l = depth - 2; l >= 0; --l) {
        const auto& level = model.levels[l];
        Signal &up = signal(lengths[l], level.channels), &y = signal(lengths[l], level.channels);
        transpose(*x, model.levels[l + 1].stride, level.channels, up, merged[l]);
        merge(up, *skips[l], y, merged[l]);
        residuals(y, level.blocks, decoded[l]);
        x = &y;
    }
    maps_ = &signal(frames, WHOLE_MAPS);
    transpose(*x, model.levels[0].stride, Model::MAPS, *maps_, {begin, end});
}

void Network::schedule(Schedule& schedule) {
    for (Step& step : steps_) schedule.add<&Step::run>(step, step.rows.begin, step.rows.end, step.cost());
}

void Network::Step::run(int begin, int end) {
    if (product.weights) return kernels->rows(product, begin, end);
    const float* in = product.in + static_cast<std::ptrdiff_t>(begin) * product.width;
    float* out = product.out + static_cast<std::ptrdiff_t>(begin) * product.width;
    const int count = (end - begin) * product.width;
    for (int i = 0; i < count; ++i) out[i] = in[i] > 0 ? in[i] : SLOPE * in[i];
}

double Network::Step::cost() const {
    constexpr double PASS = 4;  // reading and writing one float, in multiplications
    return product.weights ? static_cast<double>(product.taps) * product.depth * product.width : PASS * product.width;
}

Network::Range Network::grown(Range rows, int reach, int frames) {
    return {std::max(0, rows.begin - reach), std::min(frames, rows.end + reach)};
}

// The rows of its input that a transposed convolution reads for what is wanted of its output.
Network::Range Network::read_by_transposed(Range wanted, int stride, int frames) {
    return {std::max(0, (wanted.begin + stride / 2) / stride - 1), std::min(frames, (wanted.end - 1 + stride / 2) / stride + 1)};
}

Network::Signal& Network::signal(int frames, int channels) {
    return *signals_.emplace_back(std::make_unique<Signal>(frames, channels));
}

// The model's next weights in the order of `Product`: the one of (tap, k, column) lies at place(tap, k, column), or is 0 for NOWHERE.
template <class Place>
const float* Network::packed(int taps, int depth, int width, Place place) {
    std::vector<float> values;
    for (int block = 0; block < width; block += BLOCK)
        for (int tap = 0; tap < taps; ++tap)
            for (int k = 0; k < depth; ++k)
                for (int column = block; column < block + BLOCK; ++column) {
                    const int at = place(tap, k, column);
                    values.push_back(at == NOWHERE ? 0 : weights_[at]);
                }
    return packed_.emplace_back(std::move(values)).data();
}

// As torch.nn.Conv1d, padded so that there are frames / stride outputs. Its weights: (out, in, taps).
void Network::convolve(const Signal& in, int taps, int dilation, int stride, Signal& out, Range rows, Finish finish) {
    const int depth = in.channels, width = out.channels, pad = stride > 1 ? stride / 2 : dilation * (taps / 2);
    const float* weights = packed(taps, depth, width, [=](int tap, int k, int column) { return (column * depth + k) * taps + tap; });
    weights_ += taps * depth * width;
    // without dilation the taps lie one after the other: one long run
    const int runs = dilation > 1 ? taps : 1;
    const Product product = {in.at(-pad), stride * depth, runs,       dilation * depth, depth * taps / runs,
                             weights,     width,          out.at(0), width,            finish};
    steps_.push_back({&kernels_, product, rows});
}

// As a torch.nn.Conv1d of kernel 1 over both inputs' channels. Its weights: (out, up + skip).
void Network::merge(const Signal& up, const Signal& skip, Signal& out, Range rows) {
    const int depth = out.channels, both = 2 * depth;
    for (const bool second : {false, true}) {
        const Signal& in = second ? skip : up;
        const float* weights = packed(1, depth, depth, [=](int, int k, int column) { return column * both + second * depth + k; });
        const Product product = {in.at(0), depth, 1, 0, depth, weights, depth, out.at(0), depth, second ? Finish::add : Finish::store};
        steps_.push_back({&kernels_, product, rows});
    }
    weights_ += both * depth;
}

// As torch.nn.ConvTranspose1d to the first `above` channels of `out`, padded by stride / 2: row q reads rows q - 1 and q and gives the
// `stride` frames from q * stride - stride / 2 on. Its weights: (in, above, 2 * stride).
void Network::transpose(const Signal& in, int stride, int above, Signal& out, Range wanted) {
    const int depth = in.channels, channels = out.channels, width = stride * channels;
    const float* weights = packed(2, depth, width, [=](int tap, int k, int column) {
        const int channel = column % channels, phase = column / channels;
        return channel < above ? (k * above + channel) * 2 * stride + phase + (tap == 0 ? stride : 0) : NOWHERE;
    });
    weights_ += 2 * depth * stride * above;
    const Range rows = {(wanted.begin + stride / 2) / stride, (wanted.end - 1 + stride / 2) / stride + 1};
    const Product product = {in.at(-1), depth, 1, 0, 2 * depth, weights, width, out.at(-stride / 2), width, Finish::store};
    steps_.push_back({&kernels_, product, rows});
}

void Network::rectify(const Signal& in, Signal& out, Range rows) {
    steps_.push_back({&kernels_, {in.at(0), 0, 0, 0, 0, nullptr, in.channels, out.at(0), 0, Finish::store}, rows});
}

// x + second(rectified first(rectified x)), `blocks` times in place.
void Network::residuals(Signal& x, int blocks, Range wanted) {
    Signal &before = signal(x.frames, x.channels), &between = signal(x.frames, x.channels);
    for (int i = 0; i < blocks; ++i) {
        const Range rows = grown(wanted, reach(i + 1, blocks), x.frames);
        rectify(x, before, grown(rows, reach(i, i + 1), x.frames));
        convolve(before, KERNEL, dilation(i), 1, between, grown(rows, KERNEL / 2, x.frames), Finish::rectify);
        convolve(between, KERNEL, 1, 1, x, rows, Finish::add);
    }
}

}  // namespace declipper
