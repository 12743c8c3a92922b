// tsx looks at whatever is loaded after it, and only strips types. Pulumi's SDK, 800 files of plain JavaScript, comes before.
require("@pulumi/kubernetes");
require("tsx/cjs");
module.exports = require("./index.ts");
