// A library that is loaded while the program runs.
#pragma once

#if defined(_WIN32)
#include <windows.h>
inline void* open_library(const char* path) { return LoadLibraryA(path); }
inline void* symbol(void* library, const char* name) { return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name)); }
#else
#include <dlfcn.h>
inline void* open_library(const char* path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }
inline void* symbol(void* library, const char* name) { return dlsym(library, name); }
#endif
