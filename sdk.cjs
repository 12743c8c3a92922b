// Loads Pulumi's SDK, the half of it that is used here, in a quarter of the time. The other half is the TypeScript compiler
// and npm's view of node_modules, for functions that are to run elsewhere (a lambda, a dynamic provider): they are loaded
// when something is first asked of them.
const Module = require("node:module");

const sdk = require.resolve("@pulumi/pulumi");
for (const request of ["@pulumi/pulumi/typescript-shim", "@npmcli/arborist"]) {
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
