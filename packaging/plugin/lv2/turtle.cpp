// Writes the description of the LV2 bundle from the table of parameters: turtle BUNDLE BINARY
#include <fstream>
#include <string>

#include "ports.hpp"

using namespace declipper;

namespace {

const char* const prefixes = R"(@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix units: <http://lv2plug.in/ns/extensions/units#> .

)";

class Ports {
public:
    explicit Ports(std::ostream& to) : to_(to) {}

    void control(const ParameterInfo& info, bool input, const std::string& more) {
        begin(input ? "lv2:InputPort, lv2:ControlPort" : "lv2:OutputPort, lv2:ControlPort", info.symbol, info.name);
        to_ << " ;\n        rdfs:comment \"" << info.comment << "\" ;\n        lv2:minimum " << number(info.minimum)
            << " ;\n        lv2:maximum " << number(info.maximum) << " ;\n        lv2:default " << number(info.initial);
        if (info.unit == Unit::toggle) to_ << " ;\n        lv2:portProperty lv2:toggled";
        if (info.unit == Unit::decibel) to_ << " ;\n        units:unit units:db";
        if (info.unit == Unit::percent) to_ << " ;\n        units:unit units:pc";
        if (info.unit == Unit::choice) to_ << " ;\n        lv2:portProperty lv2:integer, lv2:enumeration";
        for (const Label& label : info.labels)
            to_ << " ;\n        lv2:scalePoint [ rdfs:label \"" << label.text << "\" ; rdf:value " << number(label.value) << " ]";
        to_ << more << "\n    ]";
    }

    void latency() {
        begin("lv2:OutputPort, lv2:ControlPort", "latency", "Latency");
        to_ << " ;\n        lv2:designation lv2:latency ;\n        lv2:portProperty lv2:reportsLatency, lv2:integer"
               " ;\n        units:unit units:frame\n    ]";
    }

    void audio(const char* direction, const std::string& symbol, const std::string& name) {
        begin(std::string("lv2:") + direction + "Port, lv2:AudioPort", symbol, name);
        to_ << "\n    ]";
    }

private:
    static std::string number(float value) { return std::to_string(static_cast<int>(value)) + ".0"; }

    void begin(const std::string& kind, const std::string& symbol, const std::string& name) {
        to_ << (next_ ? ", [" : "    lv2:port [") << "\n        a " << kind << " ;\n        lv2:index " << next_
            << " ;\n        lv2:symbol \"" << symbol << "\" ;\n        lv2:name \"" << name << "\"";
        ++next_;
    }

    std::ostream& to_;
    int next_ = 0;
};

void describe(std::ostream& to, int channels) {
    to << "<" << uris[channels - 1] << ">\n    a lv2:Plugin, lv2:UtilityPlugin ;\n    doap:name \"Declipper"
       << (channels == 1 ? " (mono)" : "") << "\" ;\n    doap:license <https://spdx.org/licenses/MIT> ;\n    rdfs:comment \"Restores clipped audio\" ;\n"
          "    lv2:minorVersion 2 ;\n    lv2:microVersion 0 ;\n    lv2:optionalFeature lv2:hardRTCapable ;\n";
    Ports ports(to);
    for (int place = 0; place < parameter_count(channels); ++place) {
        const int i = parameter_at(place, channels);
        ports.control(parameters[i], i < InputCount, i == Enabled ? " ;\n        lv2:designation lv2:enabled" : "");
    }
    ports.latency();
    const std::string sides[] = {"left", "right"}, names[] = {" left", " right"};
    for (const std::string direction : {"Input", "Output"})
        for (int c = 0; c < channels; ++c)
            ports.audio(direction.c_str(), (direction == "Input" ? "in" : "out") + (channels == 1 ? "" : "_" + sides[c]),
                        direction + (channels == 1 ? "" : names[c]));
    to << " .\n\n";
}

}  // namespace

int main(int, char** arguments) {
    const std::string bundle = arguments[1], binary = arguments[2];
    // as bytes, so that the lines end alike on every system
    std::ofstream manifest(bundle + "/manifest.ttl", std::ios::binary), description(bundle + "/declipper.ttl", std::ios::binary);
    manifest << prefixes;
    for (const char* uri : uris)
        manifest << "<" << uri << ">\n    a lv2:Plugin ;\n    lv2:binary <" << binary << "> ;\n    rdfs:seeAlso <declipper.ttl> .\n\n";
    description << prefixes;
    for (int channels : {1, 2}) describe(description, channels);
    manifest.close();
    description.close();
    return manifest && description ? 0 : 1;
}
