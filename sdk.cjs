// Loads Pulumi's SDK without what is not used here, in a fifth of the time: the TypeScript compiler and npm's view of
// node_modules, for functions that are to run elsewhere (a lambda, a dynamic provider), and the Automation API. They are
// loaded when something is first asked of them.
const Module = require("node:module");

const sdk = require.resolve("@pulumi/pulumi");
for (const request of ["@pulumi/pulumi/typescript-shim", "@npmcli/arborist", "@pulumi/pulumi/automation"]) {
  const file = require.resolve(request, { paths: [sdk] });
  let loaded;
  const load = () => {
    if (!loaded) delete require.cache[file];
    return (loaded ??= require(file));
  };
  // Called an ES module, since `import * as` looks at every name of what is none.
  const exports = new Proxy({}, { get: (_, name) => name === "__esModule" || load()[name] });
  require.cache[file] = Object.assign(new Module(file), { filename: file, loaded: true, exports });
}
require(sdk);
