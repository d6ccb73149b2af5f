// FM6: six sine operators in three pairs (1←2, 3←4, 5←6 with feedback), 16 voices. Ratios are 0.5, 1, 1.5 … 16; other knobs
// are 0…1, and plugin_specs/fm6.toml says what they mean. A note keeps the knobs that it was struck with. FM6_LATENCY delays the output, and reports it.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <utility>
#include "DistrhoPlugin.hpp"
#ifdef FM6_LATENCY
static const int kLate = FM6_LATENCY;
#else
static const int kLate = 0;
#endif
START_NAMESPACE_DISTRHO
enum { Ratio, Level, Attack, Decay, Sustain, Release, PerOperator };
enum { Feedback = 6 * PerOperator, Velocity, Gain, Knobs };
static const int kVoices = 16, kTable = 8192;
static float sine[kTable + 1];
static float logarithmic(float p, float low, float high) { return low * std::pow(high / low, p); }
static float taper(float p, float high) { return high * (std::exp(5.f * p) - 1.f) / (std::exp(5.f) - 1.f); }
static inline float sinOf(uint32_t phase) {
    const uint32_t i = phase >> 19;
    return sine[i] + (sine[i + 1] - sine[i]) * static_cast<float>(phase & 0x7FFFF) * (1.f / 0x80000);
}
struct Operator { uint32_t phase, step; float level, rise, fall, sustain, release, attack, excess, fade; };
struct Voice { bool on, held; int key; float gain, feedback, last; Operator ops[6]; };
class FM6 : public Plugin {
    float knobs[Knobs], delay[kLate + 1];
    Voice voices[kVoices];
    int next, at;
public:
    FM6() : Plugin(Knobs, 0, 0) {
        for (int i = 0; i <= kTable; ++i) sine[i] = std::sin(2.0 * M_PI * i / kTable);
        for (int i = 0; i < Knobs; ++i) { Parameter p; initParameter(i, p); knobs[i] = p.ranges.def; }
#ifdef FM6_LATENCY
        setLatency(kLate);
#endif
        activate();
    }
protected:
    const char* getLabel() const override { return "FM6"; }
    const char* getMaker() const override { return "SDS Bridge"; }
    const char* getLicense() const override { return "GPL-3.0-or-later"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('S', 'f', 'm', '6'); }
    void initParameter(uint32_t index, Parameter& p) override {
        static const char* const names[] = {"ratio", "level", "attack", "decay", "sustain", "release"};
        static const float defaults[] = {2.f, 0.f, 0.21f, 0.69f, 0.6f, 0.57f};
        static const char* const whole[] = {"feedback", "velocity", "gain"};
        static const float wholes[] = {0.f, 0.5f, 0.8f};
        char name[32];
        if (index < Feedback) std::snprintf(name, sizeof name, "op%u %s", index / PerOperator + 1, names[index % PerOperator]);
        else std::snprintf(name, sizeof name, "%s", whole[index - Feedback]);
        p.name = name; p.symbol = name; p.symbol.replace(' ', '_');
        p.hints = kParameterIsAutomatable;
        const bool ratio = index < Feedback && index % PerOperator == Ratio;
        if (ratio) p.hints |= kParameterIsInteger;
        p.ranges.min = ratio ? 1.f : 0.f; p.ranges.max = ratio ? 32.f : 1.f;
        p.ranges.def = index == Level ? 0.87f : index < Feedback ? defaults[index % PerOperator] : wholes[index - Feedback];
    }
    float getParameterValue(uint32_t index) const override { return knobs[index]; }
    void setParameterValue(uint32_t index, float value) override { knobs[index] = value; }
    void activate() override { std::memset(voices, 0, sizeof voices); std::memset(delay, 0, sizeof delay); next = at = 0; }
    void strike(int key, int velocity) {
        Voice& v = voices[next++ % kVoices];
        const double hz = 440.0 * std::pow(2.0, (key - 69) / 12.0), rate = getSampleRate();
        const float amount = knobs[Velocity], loud = velocity / 127.f;
        v.on = v.held = true; v.key = key; v.last = 0.f;
        v.gain = taper(knobs[Gain], 2.f) * (1.f - amount + amount * loud * loud);
        v.feedback = taper(knobs[Feedback], 1.2f);
        for (int i = 0; i < 6; ++i) {
            const float* k = knobs + i * PerOperator;
            Operator& o = v.ops[i];
            o.phase = 0; o.step = static_cast<uint32_t>(static_cast<int64_t>(hz * 0.5 * k[Ratio] / rate * 4294967296.0));
            o.level = taper(k[Level], i % 2 ? 12.f : 1.f);
            o.rise = 1.f / (logarithmic(k[Attack], 0.001f, 2.f) * rate);
            o.fall = std::exp(-6.907755 / (logarithmic(k[Decay], 0.005f, 8.f) * rate));
            o.release = std::exp(-6.907755 / (logarithmic(k[Release], 0.01f, 4.f) * rate));
            o.sustain = taper(k[Sustain], 1.f); o.attack = 0.f; o.excess = o.fade = 1.f;
        }
    }
    static inline float play(Operator& o, bool held, float modulation) {
        const float out = o.attack * (o.sustain + (1.f - o.sustain) * o.excess) * o.fade * sinOf(o.phase + static_cast<uint32_t>(static_cast<int64_t>(modulation * 683565275.6f)));
        o.phase += o.step;
        if (!held) o.fade = o.fade > 1e-6f ? o.fade * o.release : 0.f;
        else if (o.attack < 1.f) o.attack = std::fmin(1.f, o.attack + o.rise);
        else o.excess = o.excess > 1e-9f ? o.excess * o.fall : 0.f;
        return out;
    }
    void run(const float**, float** outputs, uint32_t frames, const MidiEvent* events, uint32_t count) override {
        std::memset(outputs[0], 0, frames * sizeof(float));
        uint32_t e = 0, done = 0;
        while (done < frames) {
            for (; e < count && events[e].frame <= done; ++e) {
                const uint8_t *m = events[e].data, kind = m[0] & 0xF0;
                if (kind == 0x90 && m[2]) strike(m[1], m[2]);
                else if (kind == 0x80 || kind == 0x90) for (Voice& v : voices) if (v.key == m[1]) v.held = false;
            }
            const uint32_t end = e < count && events[e].frame < frames ? events[e].frame : frames;
            for (Voice& v : voices) {
                if (!v.on) continue;
                Operator* o = v.ops;
                for (uint32_t i = done; i < end; ++i) {
                    float sum = 0.f;
                    for (int pair = 0; pair < 6; pair += 2) {
                        if (o[pair].level == 0.f) continue;
                        v.last = play(o[pair + 1], v.held, pair == 4 ? v.feedback * v.last : 0.f);
                        sum += o[pair].level * play(o[pair], v.held, o[pair + 1].level * v.last);
                    }
                    outputs[0][i] += v.gain * sum;
                }
                v.on = v.held || o[0].fade > 0.f || o[2].fade > 0.f || o[4].fade > 0.f;
            }
            done = end;
        }
        for (uint32_t i = 0; kLate > 0 && i < frames; ++i) {
            std::swap(outputs[0][i], delay[at]);
            at = at + 1 < kLate ? at + 1 : 0;
        }
        std::memcpy(outputs[1], outputs[0], frames * sizeof(float));
    }
    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(FM6)
};
Plugin* createPlugin() { return new FM6(); }
END_NAMESPACE_DISTRHO
