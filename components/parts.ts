import * as pulumi from "@pulumi/pulumi";

/** Whether an argument is known during the update only. */
export function isLater<T>(whole: pulumi.Input<T>): whole is Promise<T> | pulumi.OutputInstance<T> {
  return pulumi.Output.isInstance(whole) || whole instanceof Promise;
}

/**
 * A part of an argument. In a program of another language the whole argument may be one Output; here each part keeps its
 * own secrecy and dependencies.
 *
 * @example part(args.issuer, ({ certPem }) => certPem)
 */
export function part<T, P>(whole: pulumi.Input<T>, of: (known: T) => pulumi.Input<P>): pulumi.Output<P> {
  if (isLater(whole)) {
    return pulumi.output(whole).apply((known) => of(known as T)) as pulumi.Output<P>;
  }
  return pulumi.output(of(whole)) as pulumi.Output<P>;
}

/** A part that is no secret, even if the whole argument is one. */
export function plainPart<T, P>(whole: pulumi.Input<T>, of: (known: T) => pulumi.Input<P>): pulumi.Output<P> {
  return pulumi.unsecret(part(whole, of));
}

/** True once the resources are there. Whoever reads it depends on each of them, also across programs. */
export function readyWith(resources: pulumi.Resource[]): pulumi.Output<boolean> {
  return pulumi.all(resources.map(({ urn }) => urn)).apply(() => true);
}

/** For `dependsOn`: the resources that an output comes from. The SDK gathers them, and flattens the list. */
export function sourcesOf(output: pulumi.Output<unknown>): pulumi.Output<pulumi.Resource> {
  return output.apply(() => []) as unknown as pulumi.Output<pulumi.Resource>;
}
