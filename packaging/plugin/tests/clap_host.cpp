// A small CLAP host: clap_host PLUGIN RATE CHANNELS BLOCK [SYMBOL=VALUE]... < IN > OUT, or with state=FILE in place of the values
// The values are set in one instance; its state is loaded into a second one, and that one renders. A FILE holds such a state.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "clap.hpp"
#include "clap/ext/state.h"
#include "pipe.hpp"

namespace {

const void* host_extension(const clap_host*, const char* name) { return std::strcmp(name, CLAP_EXT_LATENCY) == 0 ? &host_latency : nullptr; }
const clap_host_t host = {CLAP_VERSION, nullptr, "tests", "", "", "1", host_extension, ignore, ignore, ignore};

using Events = std::vector<clap_event_param_value_t>;
uint32_t event_count(const clap_input_events_t* list) { return static_cast<uint32_t>(static_cast<const Events*>(list->ctx)->size()); }
const clap_event_header_t* event_at(const clap_input_events_t* list, uint32_t i) { return &(*static_cast<const Events*>(list->ctx))[i].header; }

using Bytes = std::vector<char>;
int64_t write_bytes(const clap_ostream_t* stream, const void* data, uint64_t size) {
    Bytes& bytes = *static_cast<Bytes*>(stream->ctx);
    bytes.insert(bytes.end(), static_cast<const char*>(data), static_cast<const char*>(data) + size);
    return static_cast<int64_t>(size);
}
int64_t read_bytes(const clap_istream_t* stream, void* data, uint64_t size) {
    Bytes& bytes = *static_cast<Bytes*>(stream->ctx);
    const std::size_t count = std::min<std::size_t>(size, bytes.size());
    std::memcpy(data, bytes.data(), count);
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    return static_cast<int64_t>(count);
}

Events events(const clap_plugin_t* plugin, char** begin, char** end) {
    const auto* parameters = extension<clap_plugin_params_t>(plugin, CLAP_EXT_PARAMS);
    Events events;
    for (; begin != end; ++begin) {
        const std::string text = *begin, symbol = text.substr(0, text.find('='));
        for (uint32_t i = 0; i < parameters->count(plugin); ++i) {
            clap_param_info_t info;
            check(parameters->get_info(plugin, i, &info), "parameter");
            if (info.module != symbol) continue;
            clap_event_param_value_t event = {};
            event.header = {sizeof event, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0};
            event.param_id = info.id;
            event.value = std::atof(text.c_str() + symbol.size() + 1);
            events.push_back(event);
        }
    }
    return events;
}

Bytes stored_state(const char* path) {
    std::ifstream file(path, std::ios::binary);
    check(file.is_open(), path);
    return {std::istreambuf_iterator<char>(file), {}};
}

Bytes saved_state(const clap_plugin_t* plugin, Events wanted) {
    const clap_input_events_t in_events = {&wanted, event_count, event_at};
    extension<clap_plugin_params_t>(plugin, CLAP_EXT_PARAMS)->flush(plugin, &in_events, &out_events);
    Bytes state;
    const clap_ostream_t to = {&state, write_bytes};
    check(extension<clap_plugin_state_t>(plugin, CLAP_EXT_STATE)->save(plugin, &to), "state is not saved");
    return state;
}

std::vector<float> render(const clap_plugin_t* plugin, const std::vector<float>& signal, double rate, int channels, int block) {
    check(plugin->activate(plugin, rate, 1, static_cast<uint32_t>(block)), "activate");
    const int latency = static_cast<int>(extension<clap_plugin_latency_t>(plugin, CLAP_EXT_LATENCY)->get(plugin));
    const int frames = static_cast<int>(signal.size()) / channels, total = frames + latency;
    std::vector<float> planes[2];
    for (int c = 0; c < channels; ++c) {
        planes[c].resize(total);
        for (int i = 0; i < frames; ++i) planes[c][i] = signal[i * channels + c];
    }
    Events none;
    const clap_input_events_t in_events = {&none, event_count, event_at};
    check(plugin->start_processing(plugin), "start_processing");
    for (int begin = 0; begin < total; begin += block) {
        float* data[] = {planes[0].data() + begin, planes[1].data() + begin};
        clap_audio_buffer_t buffer = {data, nullptr, static_cast<uint32_t>(channels), 0, 0};
        clap_process_t process = {begin, static_cast<uint32_t>(std::min(block, total - begin)), nullptr, &buffer, &buffer, 1, 1, &in_events, &out_events};
        check(plugin->process(plugin, &process) != CLAP_PROCESS_ERROR, "process");
    }
    plugin->stop_processing(plugin);
    plugin->deactivate(plugin);
    std::vector<float> out(signal.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = planes[i % channels][latency + i / channels];
    return out;
}

}  // namespace

int main(int count, char** arguments) try {
    const ClapFile file(arguments[1], host);
    const clap_plugin_t* first = file.create();
    const bool stored = count == 6 && std::strncmp(arguments[5], "state=", 6) == 0;
    Bytes state = stored ? stored_state(arguments[5] + 6) : saved_state(first, events(first, arguments + 5, arguments + count));
    first->destroy(first);
    const clap_plugin_t* second = file.create();
    const clap_istream_t from = {&state, read_bytes};
    check(extension<clap_plugin_state_t>(second, CLAP_EXT_STATE)->load(second, &from), "state is not loaded");
    write_samples(render(second, read_samples(), std::atof(arguments[2]), std::atoi(arguments[3]), std::atoi(arguments[4])));
    second->destroy(second);
} catch (const std::exception& error) {
    std::fprintf(stderr, "clap_host: %s\n", error.what());
    return 1;
}
