// Compiles HLSL by a DLL of Microsoft's, with the options of wgpu's DX12 backend:
//   windows.exe fxc|dxc DLL @LIST     LIST names a file a line
// Prints "OK path" or "FAIL path" for each file, after which come the compiler's errors.
#include <windows.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

// Both compilers' blobs have this layout.
struct Blob : IUnknown {
    virtual LPVOID STDMETHODCALLTYPE GetBufferPointer() = 0;
    virtual SIZE_T STDMETHODCALLTYPE GetBufferSize() = 0;
};
struct DxcBuffer {
    LPCVOID text;
    SIZE_T size;
    UINT encoding;
};
struct DxcResult : IUnknown {
    virtual HRESULT STDMETHODCALLTYPE GetStatus(HRESULT *) = 0;
    virtual HRESULT STDMETHODCALLTYPE GetResult(Blob **) = 0;
    virtual HRESULT STDMETHODCALLTYPE GetErrorBuffer(Blob **) = 0;
};
struct DxcCompiler : IUnknown {
    virtual HRESULT STDMETHODCALLTYPE Compile(const DxcBuffer *, LPCWSTR *, UINT32, void *, REFIID, LPVOID *) = 0;
};
using FxcCompile = HRESULT(WINAPI *)(LPCVOID, SIZE_T, LPCSTR, const void *, void *, LPCSTR, LPCSTR, UINT, UINT, Blob **, Blob **);
using DxcCreate = HRESULT(WINAPI *)(REFCLSID, REFIID, LPVOID *);

static const GUID COMPILER = {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const GUID COMPILER_3 = {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const GUID RESULT = {0x58346cda, 0xdde7, 0x4497, {0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59}};
static const UINT UTF8 = 65001;
static const UINT STRICTNESS = 1u << 11;

static std::string text(Blob *blob) {
    if (!blob) return "";
    std::string own(static_cast<const char *>(blob->GetBufferPointer()), blob->GetBufferSize());
    while (!own.empty() && (own.back() == 0 || own.back() == '\n' || own.back() == '\r')) own.pop_back();
    blob->Release();
    return own;
}

// Whether there is code; FXC's warnings are as good as silence.
static bool fxc(FxcCompile compile, const std::string &source, std::string &errors) {
    Blob *code = nullptr, *said = nullptr;
    HRESULT status =
        compile(source.data(), source.size(), nullptr, nullptr, nullptr, "main", "cs_5_1", STRICTNESS, 0, &code, &said);
    errors = text(said);
    return SUCCEEDED(status) && !text(code).empty();
}

// Whether there is code and not one word beside it, as wgpu wants it.
static bool dxc(DxcCompiler *compiler, const std::string &source, std::string &errors) {
    DxcBuffer buffer = {source.data(), source.size(), UTF8};
    LPCWSTR arguments[] = {L"-E", L"main", L"-T", L"cs_6_0", L"-HV", L"2018", L"-no-warnings", L"-Ges"};
    DxcResult *result = nullptr;
    void **to = reinterpret_cast<void **>(&result);
    if (FAILED(compiler->Compile(&buffer, arguments, 8, nullptr, RESULT, to)) || !result) return false;
    HRESULT status = E_FAIL;
    Blob *code = nullptr, *said = nullptr;
    result->GetStatus(&status);
    result->GetErrorBuffer(&said);
    result->GetResult(&code);
    errors = text(said);
    bool made = !text(code).empty();
    result->Release();
    return SUCCEEDED(status) && made && errors.empty();
}

int main(int count, char **arguments) {
    if (count != 4 || arguments[3][0] != '@') {
        fprintf(stderr, "usage: windows.exe fxc|dxc DLL @LIST\n");
        return 2;
    }
    HMODULE dll = LoadLibraryA(arguments[2]);
    char path[MAX_PATH] = "";
    if (dll) GetModuleFileNameA(dll, path, MAX_PATH);
    // Not one of Wine's own, which answer to the same names.
    if (_stricmp(path, arguments[2]) != 0) {
        fprintf(stderr, "%s answers in place of %s\n", path, arguments[2]);
        return 2;
    }
    bool is_fxc = std::string(arguments[1]) == "fxc";
    auto compile = reinterpret_cast<FxcCompile>(reinterpret_cast<void *>(GetProcAddress(dll, "D3DCompile")));
    auto create = reinterpret_cast<DxcCreate>(reinterpret_cast<void *>(GetProcAddress(dll, "DxcCreateInstance")));
    DxcCompiler *compiler = nullptr;
    if (!is_fxc && create) create(COMPILER, COMPILER_3, reinterpret_cast<void **>(&compiler));
    if (is_fxc ? !compile : !compiler) {
        fprintf(stderr, "%s has no compiler\n", path);
        return 2;
    }
    std::ifstream list(arguments[3] + 1);
    int failures = 0;
    for (std::string file; std::getline(list, file);) {
        std::ifstream in(file, std::ios::binary);
        std::stringstream contents;
        contents << in.rdbuf();
        std::string errors;
        bool good = is_fxc ? fxc(compile, contents.str(), errors) : dxc(compiler, contents.str(), errors);
        printf("%s %s\n", good ? "OK" : "FAIL", file.c_str());
        if (!good) {
            printf("%s\n", errors.c_str());
            failures++;
        }
        fflush(stdout);
    }
    return failures ? 1 : 0;
}
