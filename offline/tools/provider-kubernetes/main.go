// Command pulumi-resource-kubernetes serves the real Kubernetes provider.
//
// The provider's own main package embeds generated files that its Go module does not carry, so it cannot be built from
// the module alone. This one embeds the module's schema and mapping instead; build.ts copies them beside it.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, terraformMapping)
}
