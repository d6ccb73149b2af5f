// A plug-in that misbehaves: -DCRASH_AT_LOAD, -DCRASH_IN_RENDER or -DHANG_IN_RENDER, the latter two at a key struck
// with a velocity below 127, for pedalboard strikes one with 127 when it loads an instrument.
#include <csignal>
#include <cstring>
#include "DistrhoPlugin.hpp"
START_NAMESPACE_DISTRHO
class Broken : public Plugin {
public:
    Broken() : Plugin(1, 0, 0) {
#ifdef CRASH_AT_LOAD
        std::signal(SIGSEGV, SIG_DFL);
        *static_cast<volatile int*>(nullptr) = 1;
#endif
    }
protected:
    const char* getLabel() const override { return "Broken"; }
    const char* getMaker() const override { return "SDS Bridge"; }
    const char* getLicense() const override { return "GPL-3.0-or-later"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('S', 'b', 'r', 'k'); }
    void initParameter(uint32_t, Parameter& p) override { p.name = "nothing"; p.symbol = "nothing"; }
    float getParameterValue(uint32_t) const override { return 0.f; }
    void setParameterValue(uint32_t, float) override {}
    void run(const float**, float** outputs, uint32_t frames, const MidiEvent* events, uint32_t count) override {
        for (int c = 0; c < 2; ++c) std::memset(outputs[c], 0, frames * sizeof(float));
        if (count == 0 || events[0].data[2] == 127) return;
#ifdef CRASH_IN_RENDER
        std::signal(SIGSEGV, SIG_DFL);
        *static_cast<volatile int*>(nullptr) = 1;
#endif
#ifdef HANG_IN_RENDER
        for (volatile bool forever = true; forever;) {}
#endif
    }
    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(Broken)
};
Plugin* createPlugin() { return new Broken(); }
END_NAMESPACE_DISTRHO
