#pragma once
#define DISTRHO_PLUGIN_BRAND "SDS Bridge"
#define DISTRHO_PLUGIN_NAME "Late"
#define DISTRHO_PLUGIN_URI "https://example.org/sds-bridge/late"
#define DISTRHO_PLUGIN_CLAP_ID "org.sds-bridge.late"
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_NUM_INPUTS 2
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_WANT_LATENCY 1
