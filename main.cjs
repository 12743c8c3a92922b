// tsx inspects every module loaded after it, only to strip types. So plain JavaScript is loaded before it.
require("./lib/sdk.cjs");
require("@pulumi/kubernetes");
require("@pulumi/command");
require("@pulumi/tls");
require("proper-lockfile");
require("yaml");
require("tsx/cjs");
module.exports = require("./index.ts");
