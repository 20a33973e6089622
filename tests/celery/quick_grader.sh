# A grader-convert for tests that start hundreds of pods or end them early: it takes the same arguments, and grades what
# a real one has graded before (quick_grader.py). It waits until $1/open is there.
folder=$1
while [ "$1" != -i ]; do shift; done
in=$2 out=$4
echo "begins" >> "$folder/begun"
while [ ! -e "$folder/open" ]; do sleep 0.1; done
for notebook in "$in"/*.ipynb; do
    set -- $(sha256sum "$notebook")
    cp "$folder/$1.json" "$out/gradebook.json"
    cp "$notebook" "$out/"
done
echo "graded quickly"
