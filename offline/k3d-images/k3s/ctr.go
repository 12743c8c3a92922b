package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// importedImages lists the images imported into this node, one line per import. No container runs here, so their layers
// are dropped.
const importedImages = dataDir + "/agent/imported-images"

// ctr implements `image import [--all-platforms] FILE|-`, the way images get into a node, and `image ls`.
func ctr(args []string) error {
	if len(args) >= 2 && args[0] == "image" && args[1] == "ls" {
		text, err := os.ReadFile(importedImages)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		fmt.Print(string(text))
		return err
	}
	if len(args) < 3 || args[0] != "image" || args[1] != "import" {
		return fmt.Errorf("ctr here is a stand-in with two commands: image import [--all-platforms] FILE|-, image ls; got %q", args)
	}
	source := os.Stdin
	if file := args[len(args)-1]; file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		defer opened.Close()
		source = opened
	}
	names, err := imageNames(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dataDir+"/agent", 0o755); err != nil {
		return err
	}
	list, err := os.OpenFile(importedImages, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for _, name := range names {
		fmt.Printf("unpacking %s...done\n", name)
		if _, err := fmt.Fprintln(list, name); err != nil {
			return err
		}
	}
	return list.Close()
}

// imageNames reads the names from an archive of `docker save`.
func imageNames(archive io.Reader) ([]string, error) {
	reader := tar.NewReader(archive)
	var names []string
	for {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if header.Name != "manifest.json" {
			continue
		}
		var images []struct{ RepoTags []string }
		if err := json.NewDecoder(reader).Decode(&images); err != nil {
			return nil, err
		}
		for _, image := range images {
			names = append(names, image.RepoTags...)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("the archive names no image: expected the output of docker save")
	}
	return names, nil
}
