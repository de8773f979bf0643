#include "network.hpp"

#include <algorithm>

namespace declipper {
namespace {

constexpr int KERNEL = Model::KERNEL;
constexpr float SLOPE = 0.1f;

int dilation(int block) { return 1 + 2 * (block % 2); }

// How far residual blocks first..last look to either side.
int reach(int first, int last) {
    int frames = 0;
    for (int block = first; block < last; ++block) frames += (dilation(block) + 1) * (KERNEL / 2);
    return frames;
}

int whole_blocks(int width) { return (width + BLOCK - 1) / BLOCK * BLOCK; }

}  // namespace

Network::Signal::Signal(int frames_, int channels_)
    : frames(frames_), channels(channels_), data_(static_cast<std::size_t>(frames_ + 2 * margin_) * channels_) {}

Network::Network(const Model& model, const Kernels& kernels, int frames, int begin, int end)
    : kernels_(kernels), input_(frames, Model::INPUTS), stride_(model.levels[0].stride) {
    const int depth = static_cast<int>(model.levels.size());
    std::vector<int> lengths;
    for (const auto& level : model.levels) lengths.push_back((lengths.empty() ? frames : lengths.back()) / level.stride);

    // from the output back to the input: the rows of every layer that the wanted frames depend on
    std::vector<Range> encoded(depth), decoded(depth), merged(depth), strided(depth);
    Range wanted = read_by_transposed({begin, end}, stride_, lengths[0]);
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

    const float* weights = model.weights.data();
    std::vector<Signal*> skips;
    const Signal* x = &input_;
    for (int l = 0; l < depth; ++l) {
        const auto& level = model.levels[l];
        Signal& y = signal(lengths[l], level.channels);
        convolve(*x, weights, 2 * level.stride, 1, level.stride, y, strided[l], Finish::store);
        weights += x->channels * y.channels * 2 * level.stride;
        residuals(y, level.blocks, weights, encoded[l]);
        skips.push_back(&y);
        x = &y;
    }
    for (int l = depth - 2; l >= 0; --l) {
        const auto& level = model.levels[l];
        const int stride = model.levels[l + 1].stride;
        Signal &up = signal(lengths[l], level.channels), &y = signal(lengths[l], level.channels);
        const Range rows = {(merged[l].begin + stride / 2) / stride, (merged[l].end - 1 + stride / 2) / stride + 1};
        transpose(*x, weights, stride, up.channels, up.at(-stride / 2), stride * up.channels, rows);
        weights += x->channels * up.channels * 2 * stride;
        merge(up, *skips[l], weights, y, merged[l]);
        weights += 2 * y.channels * y.channels;
        residuals(y, level.blocks, weights, decoded[l]);
        x = &y;
    }
    correction_ = &signal(lengths[0] + 1, whole_blocks(stride_));
    const Range rows = {(begin + stride_ / 2) / stride_, (end - 1 + stride_ / 2) / stride_ + 1};
    transpose(*x, weights, stride_, 1, correction_->at(0), correction_->channels, rows);
}

void Network::schedule(Schedule& schedule) {
    for (Step& step : steps_) schedule.add<&Step::run>(step, step.rows.begin, step.rows.end, step.cost());
}

float Network::output(int frame) const {
    const int at = frame + stride_ / 2;
    return correction_->at(at / stride_)[at % stride_] + input_.at(frame)[2];
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

// Weights in the order of `Product`; weight(tap, k, column) gives one.
template <class Weight>
const float* Network::packed(int taps, int depth, int width, Weight weight) {
    std::vector<float> values;
    for (int block = 0; block < whole_blocks(width); block += BLOCK)
        for (int tap = 0; tap < taps; ++tap)
            for (int k = 0; k < depth; ++k)
                for (int column = block; column < block + BLOCK; ++column) values.push_back(column < width ? weight(tap, k, column) : 0);
    return packed_.emplace_back(std::move(values)).data();
}

// As torch.nn.Conv1d, padded so that there are frames / stride outputs. weights: (out, in, taps).
void Network::convolve(
    const Signal& in, const float* weights, int taps, int dilation, int stride, Signal& out, Range rows, Finish finish
) {
    const int depth = in.channels, pad = stride > 1 ? stride / 2 : dilation * (taps / 2);
    const auto at = [=](int tap, int k, int column) { return weights[(column * depth + k) * taps + tap]; };
    const float* ready = packed(taps, depth, out.channels, at);
    // without dilation the taps lie one after the other: one long run
    const int runs = dilation > 1 ? taps : 1;
    steps_.push_back({&kernels_,
                      {in.at(-pad), stride * depth, runs, dilation * depth, depth * taps / runs, ready, out.channels, out.at(0), out.channels,
                       finish},
                      rows});
}

// As a torch.nn.Conv1d of kernel 1 over both inputs' channels. weights: (out, up + skip).
void Network::merge(const Signal& up, const Signal& skip, const float* weights, Signal& out, Range rows) {
    Finish finish = Finish::store;
    for (const Signal* in : {&up, &skip}) {
        const int depth = in->channels;
        const auto at = [=](int, int k, int column) { return weights[column * 2 * depth + k]; };
        const float* ready = packed(1, depth, out.channels, at);
        steps_.push_back({&kernels_, {in->at(0), depth, 1, 0, depth, ready, out.channels, out.at(0), out.channels, finish}, rows});
        weights += depth;
        finish = Finish::add;
    }
}

// As torch.nn.ConvTranspose1d: row q reads rows q - 1 and q and gives the frames q * stride - stride / 2 on, `stride` of them, at
// out + q * pitch. weights: (in, above, 2 * stride).
void Network::transpose(const Signal& in, const float* weights, int stride, int above, float* out, int pitch, Range rows) {
    const int depth = in.channels, width = whole_blocks(stride * above);
    const auto at = [=](int tap, int k, int column) {
        return weights[(k * above + column % above) * 2 * stride + column / above + (tap == 0 ? stride : 0)];
    };
    const float* ready = packed(2, depth, stride * above, at);
    steps_.push_back({&kernels_, {in.at(-1), depth, 1, 0, 2 * depth, ready, width, out, pitch, Finish::store}, rows});
}

void Network::rectify(const Signal& in, Signal& out, Range rows) {
    steps_.push_back({&kernels_, {in.at(0), 0, 0, 0, 0, nullptr, in.channels, out.at(0), 0, Finish::store}, rows});
}

// x + second(rectified first(rectified x)), `blocks` times in place.
void Network::residuals(Signal& x, int blocks, const float*& weights, Range wanted) {
    Signal &before = signal(x.frames, x.channels), &between = signal(x.frames, x.channels);
    for (int i = 0; i < blocks; ++i) {
        const Range rows = grown(wanted, reach(i + 1, blocks), x.frames);
        rectify(x, before, grown(rows, reach(i, i + 1), x.frames));
        convolve(before, weights, KERNEL, dilation(i), 1, between, grown(rows, KERNEL / 2, x.frames), Finish::rectify);
        weights += x.channels * x.channels * KERNEL;
        convolve(between, weights, KERNEL, 1, 1, x, rows, Finish::add);
        weights += x.channels * x.channels * KERNEL;
    }
}

}  // namespace declipper
