// Loads Pulumi's SDK without the parts that this program does not use, in a fifth of the time. It leaves out the
// TypeScript compiler and npm's view of node_modules, both for functions that run elsewhere (a lambda, a dynamic
// provider), and the Automation API. Each is loaded on first use.
const Module = require("node:module");

const sdk = require.resolve("@pulumi/pulumi");
for (const request of ["@pulumi/pulumi/typescript-shim", "@npmcli/arborist", "@pulumi/pulumi/automation"]) {
  let file;
  try {
    file = require.resolve(request, { paths: [sdk] });
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND" && error.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw error;
    console.warn(
      `lib/sdk.cjs: this version of Pulumi's SDK has no ${request}. The SDK is loaded whole, which takes longer.`,
    );
    continue;
  }
  let loaded;
  const load = () => {
    if (!loaded) delete require.cache[file];
    return (loaded ??= require(file));
  };
  // It claims to be an ES module: `import * as` reads every name of a module that is not one.
  const exports = new Proxy({}, { get: (_, name) => name === "__esModule" || load()[name] });
  require.cache[file] = Object.assign(new Module(file), { filename: file, loaded: true, exports });
}
require(sdk);
