import { type Command, Option } from "commander";

/** Flags of `pulumi up` that are passed on. Others are for `pulumi up` by hand: `npm run env`. */
const flagsOfUp: Record<string, string> = {
  "-r, --refresh": "compare the state with the clusters first",
  "--target <urn>": "only this resource; repeatable",
  "--target-dependents": "with --target: and what depends on it",
  "--replace <urn>": "make this resource anew; repeatable",
  "--exclude <urn>": "not this resource; repeatable",
  "--parallel <number>": "operations at the same time",
  "--diff": "show changes field by field",
  "--continue-on-error": "go on with what does not depend on a failure",
  "--suppress-outputs": "do not show the stack's outputs",
};

const flagsOfDestroy = Object.fromEntries(
  Object.entries(flagsOfUp).filter(([flags]) => !flags.startsWith("--replace")),
);

/** Adds the flags to a command. */
export function takesPulumiFlags(command: Command, verb: "up" | "destroy"): Command {
  for (const [flags, description] of Object.entries(verb === "up" ? flagsOfUp : flagsOfDestroy)) {
    const option = new Option(flags, description).helpGroup(`Flags of pulumi ${verb}:`);
    command.addOption(
      description.endsWith("repeatable")
        ? option.argParser((value: string, earlier: string[] = []) => [...earlier, value])
        : option,
    );
  }
  return command;
}

/** What was given of them, as pulumi takes it. */
export function pulumiFlags(command: Command): string[] {
  const words = Object.keys(flagsOfUp).flatMap((flags) => {
    const option = command.options.find((one) => one.flags === flags);
    if (!option) return [];
    const value = command.getOptionValue(option.attributeName()) as string | string[] | true | undefined;
    if (value === undefined) return [];
    if (value === true) return [option.long];
    return [value].flat().flatMap((one) => [option.long, one]);
  });
  return words.filter((word) => word !== undefined && word !== null);
}
