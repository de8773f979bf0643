// What the CLAP hosts among the tests share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "clap/entry.h"
#include "clap/events.h"
#include "clap/ext/latency.h"
#include "clap/ext/params.h"
#include "clap/plugin-factory.h"
#include "library.hpp"

inline void ignore(const clap_host*) {}
inline bool drop_event(const clap_output_events_t*, const clap_event_header_t*) { return true; }
inline const clap_output_events_t out_events = {nullptr, drop_event};
// DPF calls this extension of the host's without asking whether there is one.
inline const clap_host_latency_t host_latency = {ignore};

inline void check(bool well, const char* what) {
    if (!well) throw std::runtime_error(what);
}

template <typename Extension>
const Extension* extension(const clap_plugin_t* plugin, const char* name) {
    const void* found = plugin->get_extension(plugin, name);
    check(found != nullptr, name);
    return static_cast<const Extension*>(found);
}

// A file with a plugin.
class ClapFile {
public:
    ClapFile(const char* path, const clap_host_t& host) : host_(host) {
        void* library = open_library(path);
        check(library != nullptr, "cannot be loaded");
        entry_ = static_cast<const clap_plugin_entry_t*>(symbol(library, "clap_entry"));
        check(entry_ != nullptr && entry_->init(path), "entry");
        factory_ = static_cast<const clap_plugin_factory_t*>(entry_->get_factory(CLAP_PLUGIN_FACTORY_ID));
    }
    ~ClapFile() { entry_->deinit(); }

    const clap_plugin_t* create() const {
        const clap_plugin_t* plugin = factory_->create_plugin(factory_, &host_, factory_->get_plugin_descriptor(factory_, 0)->id);
        check(plugin != nullptr && plugin->init(plugin), "create");
        return plugin;
    }

private:
    const clap_host_t& host_;
    const clap_plugin_entry_t* entry_;
    const clap_plugin_factory_t* factory_;
};
