// What the engine runs when a program uses the package: PulumiPlugin.yaml. package.json names the clone as a dependency,
// because `pulumi package add` runs npm install here and fails where that makes no node_modules.
// tsx inspects every module loaded after it, only to strip types. So plain JavaScript is loaded before it.
require("@pulumi/pulumi/provider");
require("@pulumi/kubernetes");
require("@pulumi/command");
require("@pulumi/tls");
require("yaml");
require("tsx/cjs");
void require("./host.ts").serve(process.argv.slice(2));
