// Late: an effect that only delays, by 1000 samples, and reports it; what a host compensates comes out as it went in.
#include <cstring>
#include <utility>
#include "DistrhoPlugin.hpp"
START_NAMESPACE_DISTRHO
class Late : public Plugin {
    static const int kLate = 1000;
    float gain, line[2][kLate];
    int at;
public:
    Late() : Plugin(1, 0, 0), gain(1.f) { setLatency(kLate); activate(); }
protected:
    const char* getLabel() const override { return "Late"; }
    const char* getMaker() const override { return "SDS Bridge"; }
    const char* getLicense() const override { return "GPL-3.0-or-later"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('S', 'l', 'a', 't'); }
    void initParameter(uint32_t, Parameter& p) override { p.name = "gain"; p.symbol = "gain"; p.ranges.min = 0.f; p.ranges.max = 1.f; p.ranges.def = 1.f; }
    float getParameterValue(uint32_t) const override { return gain; }
    void setParameterValue(uint32_t, float value) override { gain = value; }
    void activate() override { std::memset(line, 0, sizeof line); at = 0; }
    void run(const float** inputs, float** outputs, uint32_t frames) override {
        for (uint32_t i = 0; i < frames; ++i, at = (at + 1) % kLate)
            for (int c = 0; c < 2; ++c) { const float in = gain * inputs[c][i]; outputs[c][i] = line[c][at]; line[c][at] = in; }
    }
    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(Late)
};
Plugin* createPlugin() { return new Late(); }
END_NAMESPACE_DISTRHO
