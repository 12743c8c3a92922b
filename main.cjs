// tsx looks at whatever is loaded after it, and only strips types. What is plain JavaScript comes before.
require("./lib/sdk.cjs");
require("@pulumi/kubernetes");
require("@pulumi/command");
require("@pulumi/tls");
require("proper-lockfile");
require("yaml");
require("tsx/cjs");
module.exports = require("./index.ts");
