// tsx looks at whatever is loaded after it, and only strips types. Pulumi's SDK, plain JavaScript, comes before.
require("./sdk.cjs");
require("@pulumi/kubernetes");
require("tsx/cjs");
module.exports = require("./index.ts");
