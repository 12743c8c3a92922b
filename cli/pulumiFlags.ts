import { type Command, Option } from "commander";
import { wholeNumber } from "../lib/commandLine";
import { UserError } from "../lib/run";

/** Flags that are passed on to `pulumi up`. To use any other flag, run pulumi by hand: `npm run env`. */
const flagsOfUp: Record<string, string> = {
  "-r, --refresh": "compare the state with the clusters first",
  "--target <urn>": "only this resource; repeatable",
  "--target-dependents": "with --target: also everything that depends on it",
  "--replace <urn>": "replace this resource; repeatable",
  "--exclude <urn>": "not this resource; repeatable",
  "--parallel <number>": "operations at the same time",
  "--diff": "show changes field by field",
  "--continue-on-error": "continue with resources that do not depend on a failed one",
  "--suppress-outputs": "do not show the stack's outputs",
};

const flagsOfDestroy = Object.fromEntries(
  Object.entries(flagsOfUp).filter(([flags]) => !flags.startsWith("--replace")),
);

export function takesPulumiFlags(command: Command, verb: "up" | "destroy"): Command {
  for (const [flags, description] of Object.entries(verb === "up" ? flagsOfUp : flagsOfDestroy)) {
    const option = new Option(flags, description).helpGroup(`Flags of pulumi ${verb}:`);
    command.addOption(
      description.endsWith("repeatable")
        ? option.argParser((value: string, earlier: string[] = []) => [...earlier, value])
        : flags === "--parallel <number>"
          ? option.argParser(wholeNumber(1))
          : option,
    );
  }
  return command;
}

/**
 * Returns the flags that the user gave, in pulumi's form.
 *
 * @throws UserError for `--target-dependents` without `--target`
 */
export function pulumiFlags(command: Command): string[] {
  const { target, targetDependents } = command.opts<{ target?: string[]; targetDependents?: true }>();
  if (targetDependents && !target) {
    throw new UserError(`--target-dependents is given without --target. Next: ${command.name()} --help`);
  }
  const words = Object.keys(flagsOfUp).flatMap((flags) => {
    const option = command.options.find((one) => one.flags === flags);
    if (!option) return [];
    const value = command.getOptionValue(option.attributeName()) as string | number | string[] | true | undefined;
    if (value === undefined) return [];
    if (value === true) return [option.long];
    return [value].flat().flatMap((one) => [option.long, String(one)]);
  });
  return words.filter((word) => word !== undefined && word !== null);
}
