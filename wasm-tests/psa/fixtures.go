package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

const module = "k8s.io/pod-security-admission"

// fixture is a Pod that Kubernetes' tests expect to pass or to fail a level, and where it is from.
type fixture struct {
	Name     string      `json:"name"`
	Level    string      `json:"level"`
	Expected string      `json:"expected"`
	Pod      *corev1.Pod `json:"pod"`
}

// fixtures prints the fixtures of the newest version that the module has files for.
// They are files of the module, and stay there: nothing of them is kept here.
func fixtures(out io.Writer) error {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return fmt.Errorf("where is %s: %w (run this in its own folder, with the module downloaded)", module, err)
	}
	root := filepath.Join(strings.TrimSpace(string(dir)), "test", "testdata")
	encode := json.NewEncoder(out)
	for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
		version, err := newestVersion(filepath.Join(root, string(level)))
		if err != nil {
			return err
		}
		for _, expected := range []string{"pass", "fail"} {
			pattern := filepath.Join(root, string(level), version.String(), expected, "*.yaml")
			files, err := filepath.Glob(pattern)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				return fmt.Errorf("no fixtures at %s", pattern)
			}
			for _, file := range files {
				pod, err := read(file)
				if err != nil {
					return err
				}
				name := strings.TrimSuffix(filepath.Base(file), ".yaml")
				if err := encode.Encode(fixture{name, string(level), expected, pod}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// read gives the Pod of a file as the API server would hand it to admission: a volume without a
// source is an emptyDir by then, which is the one default that Pod Security looks at.
func read(file string) (*corev1.Pod, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict(text, pod); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].VolumeSource == (corev1.VolumeSource{}) {
			pod.Spec.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
	return pod, nil
}

// newestVersion is the newest one that has fixtures. It must not be older than the newest check.
func newestVersion(dir string) (api.Version, error) {
	newest := api.MajorMinorVersion(1, 0)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return newest, err
	}
	for _, entry := range entries {
		version, err := api.ParseVersion(entry.Name())
		if err != nil {
			return newest, fmt.Errorf("%s: %w", entry.Name(), err)
		}
		if newest.Older(version) {
			newest = version
		}
	}
	for _, check := range policy.DefaultChecks() {
		last := check.Versions[len(check.Versions)-1].MinimumVersion
		if newest.Older(last) {
			return newest, fmt.Errorf("check %s changed in %s, after the newest fixtures (%s)", check.ID, last.String(), newest.String())
		}
	}
	return newest, nil
}
