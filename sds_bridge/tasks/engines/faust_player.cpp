// Faust architecture: one note of a program with freq, gain and gate.
// Arguments: sample rate in Hz, seconds, seconds that the key is down, freq in Hz, gain.
// Writes two channels of float32 to standard output.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>
#define FAUSTFLOAT double
struct Meta { void declare(const char*, const char*) {} };
struct UI {
  std::map<std::string, FAUSTFLOAT*> zones;
  void openTabBox(const char*) {}
  void openHorizontalBox(const char*) {}
  void openVerticalBox(const char*) {}
  void closeBox() {}
  void declare(FAUSTFLOAT*, const char*, const char*) {}
  void addButton(const char* n, FAUSTFLOAT* z) { zones[n] = z; }
  void addCheckButton(const char* n, FAUSTFLOAT* z) { zones[n] = z; }
  void addVerticalSlider(const char* n, FAUSTFLOAT* z, double, double, double, double) { zones[n] = z; }
  void addHorizontalSlider(const char* n, FAUSTFLOAT* z, double, double, double, double) { zones[n] = z; }
  void addNumEntry(const char* n, FAUSTFLOAT* z, double, double, double, double) { zones[n] = z; }
};
// a program that doesn't depend on a control has none of that name
static void set(UI& ui, const char* name, double value) {
  if (ui.zones.count(name)) *ui.zones[name] = value;
}
struct dsp { virtual ~dsp() {} };
<<includeIntrinsic>>
<<includeclass>>
int main(int, char** argument) {
  int rate = atoi(argument[1]);
  int length = int(atof(argument[2]) * rate + 0.5), held = int(atof(argument[3]) * rate + 0.5);
  mydsp* program = new mydsp;
  UI ui;
  program->init(rate);
  program->buildUserInterface(&ui);
  set(ui, "freq", atof(argument[4]));
  set(ui, "gain", atof(argument[5]));
  set(ui, "gate", 1);
  if (held > length) held = length;
  std::vector<FAUSTFLOAT> left(length + 1), right(length + 1);
  FAUSTFLOAT* out[2] = {left.data(), right.data()};
  program->compute(held, nullptr, out);
  set(ui, "gate", 0);
  FAUSTFLOAT* rest[2] = {left.data() + held, right.data() + held};
  program->compute(length - held, nullptr, rest);
  for (int i = 0; i < length; i++) {
    float pair[2] = {float(left[i]), float(right[i])};
    fwrite(pair, 4, 2, stdout);
  }
}
