// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "logistic",
  dependencies: [.package(name: "nanograd", path: "../../..")],
  targets: [
    .executableTarget(
      name: "logistic", dependencies: [.product(name: "Nanograd", package: "nanograd")])
  ])
