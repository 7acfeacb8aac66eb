// Command psa answers for Pods what Kubernetes' own Pod Security admission says of them, so that
// the policy library can be compared with it. See README.md.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// verdict is what one level says of a Pod: all of its checks, by the check's own ID.
type verdict struct {
	Allowed bool            `json:"allowed"`
	Checks  map[string]bool `json:"checks"`
}

// answer has a verdict per level, or the error that kept the Pod from being read.
type answer struct {
	Baseline   *verdict `json:"baseline,omitempty"`
	Restricted *verdict `json:"restricted,omitempty"`
	Error      string   `json:"error,omitempty"`
}

// newest is a check at its latest version.
type newest struct {
	id        policy.CheckID
	level     api.Level
	run       policy.CheckPodFn
	overrides []policy.CheckID
}

func newestChecks() []newest {
	var out []newest
	for _, check := range policy.DefaultChecks() {
		last := check.Versions[len(check.Versions)-1]
		out = append(out, newest{check.ID, check.Level, last.CheckPod, last.OverrideCheckIDs})
	}
	return out
}

// overall asks the real evaluator, which knows which checks a level is made of.
func overall(evaluator policy.Evaluator, level api.Level, pod *corev1.Pod) bool {
	at := api.LevelVersion{Level: level, Version: api.LatestVersion()}
	return policy.AggregateCheckResults(evaluator.EvaluatePod(at, &pod.ObjectMeta, &pod.Spec)).Allowed
}

func judge(evaluator policy.Evaluator, checks []newest, pod *corev1.Pod) answer {
	baseline := verdict{overall(evaluator, api.LevelBaseline, pod), map[string]bool{}}
	restricted := verdict{overall(evaluator, api.LevelRestricted, pod), map[string]bool{}}
	overridden := map[policy.CheckID]bool{}
	for _, check := range checks {
		for _, id := range check.overrides {
			overridden[id] = true
		}
	}
	for _, check := range checks {
		allowed := check.run(&pod.ObjectMeta, &pod.Spec).Allowed
		if check.level == api.LevelBaseline {
			baseline.Checks[string(check.id)] = allowed
		}
		if !overridden[check.id] {
			restricted.Checks[string(check.id)] = allowed
		}
	}
	return answer{Baseline: &baseline, Restricted: &restricted}
}

func answerAll(in io.Reader, out io.Writer) error {
	checks := newestChecks()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	lines := bufio.NewReader(in)
	encode := json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			pod := corev1.Pod{}
			result := answer{}
			if bad := json.Unmarshal(line, &pod); bad != nil {
				result.Error = bad.Error()
			} else {
				result = judge(evaluator, checks, &pod)
			}
			if err := encode.Encode(result); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func main() {
	emit := flag.Bool("fixtures", false, "print the Pods of Kubernetes' own test fixtures instead")
	flag.Parse()
	out := bufio.NewWriter(os.Stdout)
	run := func() error { return answerAll(os.Stdin, out) }
	if *emit {
		run = func() error { return fixtures(out) }
	}
	err := run()
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "psa:", err)
		os.Exit(1)
	}
}
