// swift-tools-version: 6.2
// unsafeFlags in a package that others depend on by tag are accepted from tools version 6.2 on.
import PackageDescription

/// The same kernel sources are built three times on x86-64, elsewhere once; the compiler's own
/// vectoriser follows `-march`. Nothing of them may be inlined into a module for other processors,
/// hence `-disable-cmo`.
func kernels(_ name: String, march: [String] = [], define: String) -> Target {
  .target(
    name: name,
    dependencies: ["NanogradKernelTable", "CPlatform"],
    swiftSettings: [
      .define(define),
      .unsafeFlags(
        ["-Ounchecked", "-disable-cmo", "-Xcc", "-fno-math-errno"]
          + march.flatMap { ["-Xcc", $0] },
        .when(configuration: .release)),
    ])
}

#if arch(x86_64)
  let widerKernels = [
    kernels("NanogradKernelsAVX2", march: ["-march=x86-64-v3"], define: "NANOGRAD_AVX2"),
    kernels(
      "NanogradKernelsAVX512", march: ["-march=x86-64-v4", "-mprefer-vector-width=512"],
      define: "NANOGRAD_AVX512"),
  ]
#else
  let widerKernels: [Target] = []
#endif
let allKernels: [Target.Dependency] =
  ["NanogradKernelTable", "NanogradKernels"] + widerKernels.map { .byName(name: $0.name) }

/// No check at run time that accesses do not overlap: it would trap, which the library never does.
let library: [SwiftSetting] = [.unsafeFlags(["-enforce-exclusivity=unchecked"])]

let package = Package(
  name: "nanograd",
  products: [
    .library(name: "Nanograd", targets: ["Nanograd"])
  ],
  targets: [
    // The handwritten header, so that the compiler checks each export against its declaration.
    .systemLibrary(name: "CNanograd", path: "include"),
    // What Swift cannot say itself: processor features, futex, CPU pause. Header only.
    .systemLibrary(name: "CPlatform", path: "Sources/CPlatform"),
    .target(name: "NanogradKernelTable"),
    kernels("NanogradKernels", define: "NANOGRAD_BASELINE"),
    .target(
      name: "Nanograd", dependencies: ["CPlatform"] + allKernels, swiftSettings: library),
    .target(
      name: "NanogradC", dependencies: ["Nanograd", "CNanograd", "CPlatform"],
      swiftSettings: library),
    .testTarget(name: "KernelTests", dependencies: ["CPlatform"] + allKernels),
    .testTarget(name: "NanogradTests", dependencies: ["Nanograd"]),
  ] + widerKernels,
  swiftLanguageModes: [.v6]
)
