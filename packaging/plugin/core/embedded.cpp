// The model, as a part of the binary.
#include <stdexcept>

#include "model.hpp"

#if defined(__APPLE__)
#define SECTION ".const_data"
#define SYMBOL "_"
#define HIDDEN __attribute__((visibility("hidden")))
#elif defined(_WIN32)
#define SECTION ".section .rdata,\"dr\""
#define SYMBOL ""
#define HIDDEN
#else
#define SECTION ".section .rodata"
#define SYMBOL ""
#define HIDDEN __attribute__((visibility("hidden")))
#endif

asm(SECTION "\n"
    ".balign 16\n" SYMBOL "declipper_model_begin:\n"
    ".incbin \"" MODEL_FILE "\"\n" SYMBOL "declipper_model_end:\n"
    ".byte 0\n"
    ".text\n");

extern "C" const unsigned char declipper_model_begin[] HIDDEN;
extern "C" const unsigned char declipper_model_end[] HIDDEN;

namespace declipper {

const Model* embedded_model() {
    static const std::unique_ptr<const Model> model = []() -> std::unique_ptr<const Model> {
        try {
            return std::make_unique<Model>(declipper_model_begin, static_cast<std::size_t>(declipper_model_end - declipper_model_begin));
        } catch (const std::invalid_argument&) {
            return nullptr;
        }
    }();
    return model.get();
}

}  // namespace declipper
