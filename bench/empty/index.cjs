// Loads the SDK, as every Pulumi program does, and registers nothing.
exports.stack = require("@pulumi/pulumi").getStack();
