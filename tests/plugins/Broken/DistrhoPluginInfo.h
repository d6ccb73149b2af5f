#pragma once
#define DISTRHO_PLUGIN_BRAND "SDS Bridge"
#define DISTRHO_PLUGIN_NAME BROKEN_NAME
#define DISTRHO_PLUGIN_URI "https://example.org/sds-bridge/broken"
#define DISTRHO_PLUGIN_CLAP_ID "org.sds-bridge.broken"
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_IS_SYNTH 1
#define DISTRHO_PLUGIN_NUM_INPUTS 0
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_WANT_MIDI_INPUT 1
