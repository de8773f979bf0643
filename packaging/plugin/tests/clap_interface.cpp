// A CLAP host with a window: clap_interface PLUGIN RATE CHANNELS [X Y] < IN > OUT
// Lets the plugin's interface watch what comes in, and writes what it shows then as a PPM picture. With X and Y it is clicked there after
// that. Prints the value of each parameter at the end, SYMBOL=VALUE, on standard error.
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <unistd.h>

#include <cstdlib>

#include "clap.hpp"
#include "clap/ext/gui.h"
#include "clap/ext/timer-support.h"
#include "pipe.hpp"

namespace {

constexpr int BLOCK = 800;

bool refuse(const clap_host*, uint32_t, uint32_t) { return false; }
bool agree(const clap_host*) { return true; }
void closed(const clap_host*, bool) {}
bool begin_timer(const clap_host*, uint32_t, clap_id* id) { return *id = 1, true; }
bool end_timer(const clap_host*, clap_id) { return true; }
const clap_host_gui_t host_gui = {ignore, refuse, agree, agree, closed};
const clap_host_timer_support_t host_timer = {begin_timer, end_timer};
const void* host_extension(const clap_host*, const char* name) {
    const std::string wanted = name;
    if (wanted == CLAP_EXT_LATENCY) return &host_latency;
    if (wanted == CLAP_EXT_GUI) return &host_gui;
    return wanted == CLAP_EXT_TIMER_SUPPORT ? &host_timer : nullptr;
}
const clap_host_t host = {CLAP_VERSION, nullptr, "tests", "", "", "1", host_extension, ignore, ignore, ignore};

uint32_t no_events(const clap_input_events_t*) { return 0; }
const clap_event_header_t* no_event(const clap_input_events_t*, uint32_t) { return nullptr; }
const clap_input_events_t in_events = {nullptr, no_events, no_event};

void process(const clap_plugin_t* plugin, const std::vector<float>& signal, int channels, std::size_t begin) {
    std::vector<float> planes[2];
    for (std::size_t i = begin; i < std::min(begin + BLOCK * channels, signal.size()); ++i) planes[i % channels].push_back(signal[i]);
    float* data[] = {planes[0].data(), planes[1].data()};
    clap_audio_buffer_t buffer = {data, nullptr, static_cast<uint32_t>(channels), 0, 0};
    const clap_process_t work = {0, static_cast<uint32_t>(planes[0].size()), nullptr, &buffer, &buffer, 1, 1, &in_events, &out_events};
    check(plugin->process(plugin, &work) != CLAP_PROCESS_ERROR, "process");
}

void write_picture(Display* display, Window window, int width, int height) {
    XImage* image = XGetImage(display, window, 0, 0, static_cast<unsigned>(width), static_cast<unsigned>(height), AllPlanes, ZPixmap);
    check(image != nullptr, "picture");
    std::printf("P6\n%d %d\n255\n", width, height);
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            for (const int shift : {16, 8, 0}) std::putchar(static_cast<int>(XGetPixel(image, x, y) >> shift & 255));
    XDestroyImage(image);
}

// As a person would: to the plugin's own window, which lies in ours.
void click(Display* display, Window window, int x, int y) {
    Window root, parent, *children = nullptr;
    unsigned count = 0;
    check(XQueryTree(display, window, &root, &parent, &children, &count) && count == 1, "the plugin's window");
    for (const int type : {ButtonPress, ButtonRelease}) {
        XEvent event = {};
        event.xbutton = {type, 0, True, display, children[0], root, None, CurrentTime, x, y, x, y, 0, Button1, True};
        check(XSendEvent(display, children[0], True, ButtonPressMask | ButtonReleaseMask, &event) != 0, "click");
    }
    XFree(children);
    XSync(display, False);
}

}  // namespace

int main(int count, char** arguments) try {
    check(count == 4 || count == 6, "usage: clap_interface PLUGIN RATE CHANNELS [X Y]");
    const int channels = std::atoi(arguments[3]);
    const ClapFile file(arguments[1], host);
    const clap_plugin_t* plugin = file.create();
    check(plugin->activate(plugin, std::atof(arguments[2]), 1, BLOCK), "activate");

    Display* display = XOpenDisplay(nullptr);
    check(display != nullptr, "no display");
    const auto* gui = extension<clap_plugin_gui_t>(plugin, CLAP_EXT_GUI);
    const auto* timer = extension<clap_plugin_timer_support_t>(plugin, CLAP_EXT_TIMER_SUPPORT);
    check(gui->is_api_supported(plugin, CLAP_WINDOW_API_X11, false) && gui->create(plugin, CLAP_WINDOW_API_X11, false), "interface");
    uint32_t width, height;
    check(gui->get_size(plugin, &width, &height), "size");
    const Window window = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, width, height, 0, 0, 0);
    XMapWindow(display, window);
    XSync(display, False);
    clap_window_t parent = {CLAP_WINDOW_API_X11, {}};
    parent.x11 = window;
    check(gui->set_parent(plugin, &parent) && gui->show(plugin), "show");

    const std::vector<float> signal = read_samples();
    check(plugin->start_processing(plugin), "start_processing");
    const auto look = [&](int times) {
        for (int i = 0; i < times; ++i, usleep(5000)) timer->on_timer(plugin, 1);
    };
    look(10);
    int blocks = 0;
    for (std::size_t begin = 0; begin < signal.size(); begin += BLOCK * channels) {
        process(plugin, signal, channels, begin);
        if (++blocks % 20 == 0) look(1);
    }
    look(10);
    write_picture(display, window, static_cast<int>(width), static_cast<int>(height));
    if (count == 6) {
        click(display, window, std::atoi(arguments[4]), std::atoi(arguments[5]));
        look(10);
        process(plugin, signal, channels, 0);
    }
    const auto* parameters = extension<clap_plugin_params_t>(plugin, CLAP_EXT_PARAMS);
    for (uint32_t i = 0; i < parameters->count(plugin); ++i) {
        clap_param_info_t info;
        double value;
        check(parameters->get_info(plugin, i, &info) && parameters->get_value(plugin, info.id, &value), "parameter");
        std::fprintf(stderr, "%s=%g\n", info.module, value);
    }
    plugin->stop_processing(plugin);
    gui->destroy(plugin);
    plugin->deactivate(plugin);
    plugin->destroy(plugin);
    XDestroyWindow(display, window);
    XCloseDisplay(display);
} catch (const std::exception& error) {
    std::fprintf(stderr, "clap_interface: %s\n", error.what());
    return 1;
}
